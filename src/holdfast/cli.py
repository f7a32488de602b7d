"""The command line: names and one-line helps; what a command needs is imported when it is called.

Exit codes: 0 done; 1 a gate or an invariant failed; 2 what else can't be done, with one sentence that says why; 130 and
143 stopped, by an interrupt or by SIGTERM.
"""

import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import TextIOWrapper
from itertools import takewhile
from typing import Annotated

from cyclopts import App, CycloptsError, MissingArgumentError, Parameter

from holdfast import __version__
from holdfast.allocator import keep_freed_memory
from holdfast.commands.several import repeat_options
from holdfast.progress import hidden
from holdfast.prompts.told import sentences

COMMANDS = {
    "demo": "The whole story on the built-in models: minutes on two cores, no network.",
    "run": "The whole pipeline on any Hugging Face model, from a config; resumes where it stopped.",
    "plan": "Predict memory, disk and time of a run, before anything is loaded.",
    "init": "Write a commented config for `holdfast run`.",
    "score": "Score every weight by its effect on safety, or on utility.",
    "select": "Cut a mask from scores: top, safety_only, threshold, random or bottom.",
    "combine": "Join masks: union, intersection or difference, trimmed to a budget.",
    "verify": "Put noise on a mask's weights and measure safety and utility.",
    "enhance": "SET: train only a mask's weights to refuse what should be refused.",
    "adapt": "SPA: fine-tune on a task and hold a mask's weights bit for bit.",
    "evaluate": "Measure attack success, over-refusal and utility of a checkpoint.",
    "check": "Check that a tuned checkpoint kept every bit of a mask's weights.",
    "show": "Show what a file holds: scores, masks and patches by layer, evaluations; also as a picture.",
    "patch": "Sparse, reversible checkpoints: inspect, apply, revert, diff and merge patches.",
    "compare": "Compare two evaluations, paired: a gate for releases, with an exit code.",
    "report": "Write report.json and report.html of a run's folder as it stands.",
    "bakeoff": "Compare every score and selector at one budget, under one evaluation.",
    "prompts": "Public prompt sets by name, and a look into any set: list, show.",
    "sites": "List what of a model can be scored: names, shapes, layers, components, experts.",
}

TOGETHER = ("score", "select", "enhance", "adapt")
"""Commands that several processes, started by torchrun or accelerate, can run together."""

app = App(
    name="holdfast",
    help="Find the weights by which a language model holds on to its safety, strengthen them, and hold them fast.",
    version=__version__,
    suppress_keyboard_interrupt=False,  # or it exits by itself, without a word
)
app.meta.suppress_keyboard_interrupt = False
for _name, _help in COMMANDS.items():
    app.command(f"holdfast.commands.{_name}:{_name}", name=_name, help=_help)


@app.meta.default
def launch(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="")] = False,
) -> object:
    """Runs one command.

    Parameters
    ----------
    quiet
        No progress and no warnings: the result alone.
    """
    hidden.set(quiet)
    before = sentences.set([])
    logging.getLogger("holdfast").setLevel(logging.ERROR if quiet else logging.WARNING)
    try:
        return _launch_together(tokens) if int(os.environ.get("WORLD_SIZE", "1")) > 1 else _launch(tokens)
    finally:
        sentences.reset(before)


def _launch(tokens: Sequence[str]) -> object:
    return app(repeat_options(app, tokens), exit_on_error=False, print_error=False, result_action="return_value")


def _launch_together(tokens: Sequence[str]) -> object:
    """Runs a command in one of several processes; the first one speaks for all of them."""
    from holdfast.distributed import joined, rank

    with joined(), open(os.devnull, "w") as nowhere, redirect_stdout(nowhere if rank() else sys.stdout):
        if not tokens or tokens[0] not in TOGETHER:
            known = ", ".join(TOGETHER)
            raise ValueError(f"only {known} work in several processes; start this command without torchrun.")
        if rank():
            hidden.set(True)
            logging.getLogger("holdfast").setLevel(logging.ERROR)
        try:
            return _launch(tokens)
        except CycloptsError as error:
            raise ValueError(_sentence(error)) from error


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one command and exits."""
    keep_freed_memory()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # of a terminal that has not all letters
    signal.signal(signal.SIGTERM, _terminated)  # what schedulers send before they kill
    sys.exit(call(arguments))


class TerminatedError(KeyboardInterrupt):
    """The command was asked to end, by SIGTERM."""


def _terminated(*_: object) -> None:
    raise TerminatedError


def call(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; mistakes become one sentence on stderr."""
    try:
        _explain_whole(sys.argv[1:] if arguments is None else arguments)
        app.meta(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except (CycloptsError, ValueError) as error:
        return _fail(error, 2)
    except KeyboardInterrupt as stop:
        if int(os.environ.get("RANK", "0")) == 0:  # launchers interrupt all of their processes
            _say("stopped; run the same command again, it goes on from what was kept.")
        return 143 if isinstance(stop, TerminatedError) else 130
    except ConnectionError as error:
        return _fail(error, 2)
    except OSError as error:
        return _fail(error, 2, _file_sentence(error))
    except RuntimeError as error:
        # They are raised by heavy modules; names are compared so that `--help` imports none of them.
        if type(error).__name__ not in ("InvariantError", "GateError"):
            raise
        return _fail(error, 1)
    return 0


def _explain_whole(arguments: Sequence[str]) -> None:
    """Shows as help of the command that was called its docstring, with an example, not its line in the list of all."""
    for name in arguments:
        if name in COMMANDS:
            if app[name].default_command:  # a group of commands has none
                app[name].help = None
            return


def _fail(error: Exception, code: int, sentence: str = "") -> int:
    if not getattr(error, "is_told", False):
        _say(sentence or _sentence(error))
    return code


def _say(sentence: str) -> None:
    sys.stderr.write(f"holdfast: {sentence}\n")


def _file_sentence(error: OSError) -> str:
    """What the system refused, and where; full disks and wrong permissions are no fault of the program."""
    where = f"{str(error.filename)!r} " if error.filename else "a file "
    return f"{where}could not be read or written: {error.strerror or error}; check the path and its permissions."


def _sentence(error: object) -> str:
    """What went wrong in one line; options that pydantic refused are named with what they were given."""
    if isinstance(error, MissingArgumentError) and error.argument and not error.tokens_so_far:
        return f"{error.argument.name} is missing, or has no value; see --help."
    refused = error.__cause__ if isinstance(error, CycloptsError) else error
    errors = getattr(refused, "errors", None)
    if errors is None:
        return " ".join(str(error).split())
    prefix = getattr(getattr(error, "argument", None), "name", "*")  # of options that have one: --generate
    parts = []
    for one in errors():
        if one["type"] == "value_error":  # options that don't go together: the sentence is our own
            return str(one["ctx"]["error"])
        # From a place in a list on, parts are of what was given there: no option is called by them.
        names = takewhile(lambda part: isinstance(part, str) and part.isidentifier(), one["loc"])
        name = ".".join(str(part).replace("_", "-") for part in names)
        option = f"--{name}" if prefix == "*" else f"{prefix}.{name}"
        parts.append(f"{option}: got {one['input']!r}, {one['msg'][0].lower()}{one['msg'][1:]}")
    return "; ".join(parts) + "; see --help."
