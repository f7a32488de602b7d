"""The command line: names of the commands and one line of help for each. A command is imported when it is called.

Exit codes:
- 0: done
- 1: a gate or an invariant failed
- 2: any other error, explained in one sentence. A fault of holdfast itself adds a traceback
- 3: the data of a gate cannot decide
- 75: another process of this run was lost (EX_TEMPFAIL of sysexits.h: the same command may succeed later)
- 130: stopped by an interrupt
- 143: stopped by SIGTERM
"""

import logging
import os
import re
import sys
import traceback
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stdout
from functools import reduce
from io import TextIOWrapper
from itertools import takewhile
from typing import Annotated

from cyclopts import (
    CoercionError,
    CycloptsError,
    Group,
    MissingArgumentError,
    Parameter,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
)

from holdfast import __version__
from holdfast.allocator import keep_freed_memory
from holdfast.commands.help_page import HELP_FLAGS, WHOLE, HelpPage, new_app
from holdfast.commands.notices import logging_named, quiet_libraries
from holdfast.commands.other_commands import (
    advice_on_fewer,
    command_meant,
    misnamed_option,
    names_of,
    sister_of,
    usual_option,
)
from holdfast.commands.several import repeat_options
from holdfast.commands.superfluous import superfluous_sentence
from holdfast.commands.waiting import libraries_announced
from holdfast.errors import GateError, InvariantError, LostProcessError
from holdfast.notes import NOTE
from holdfast.option_groups import OUTPUT, RARE_NAMES
from holdfast.out_of_memory import is_out_of_memory, memory_sentence
from holdfast.progress import hidden
from holdfast.prompts.told import sentences
from holdfast.shares import percentage_advice, share_advice
from holdfast.stopping import TerminatedError, end_on_sigterm, stopped_sentence
from holdfast.typed_options import as_typed
from holdfast.wrong_options import NOT_A_NUMBER, number_reason, reason_of

NAN = re.compile(r'(Invalid value "[+-]?nan" for \S+)\. Must be ', re.IGNORECASE)
"""A value of nan, for which a limit is named that nan does not exceed."""
COMMANDS = {
    "demo": "Show the whole story on tiny built-in models, in minutes and offline.",
    "init": "Write a commented config for a whole run.",
    "run": "Run every step on your own model, from a config. Resumes where it stopped.",
    "score": "Score every weight or neuron by its effect on safety, or on utility.",
    "select": "Select the weights or neurons with the largest scores: makes a mask.",
    "combine": "Join masks: union, intersection or difference.",
    "sites": "List a model's parameters: names, shapes, layers, components.",
    "enhance": "SET: train only a mask's weights, so that the model refuses harmful requests.",
    "adapt": "SPA: fine-tune on a task and hold a mask's weights bit for bit.",
    "restore": "Put the aligned model's values back on few weights of a fine-tuned one.",
    "edit": "Scale a mask's neurons for good, reversibly: erase or strengthen them.",
    "patch": "Inspect, apply, revert, make and merge patches: small reversible changes.",
    "check": "Check that a tuned checkpoint kept every bit of a mask's weights.",
    "evaluate": "Measure attack success, over-refusal and utility of a checkpoint.",
    "judge-card": "Measure a judge on responses that people labelled.",
    "verify": "Put noise on a mask's weights, or zero them, and measure what happens to safety.",
    "compare": "Compare two evaluations, with an exit code: a gate for releases.",
    "report": "Write the page of a run, or a card and results of an evaluation to publish.",
    "reproduce": "Make an evaluation again from its reproduce.json, and compare both.",
    "direction": "Find, test, steer along and strengthen directions in the residual stream.",
    "bakeoff": "Compare all scores and selectors at one budget.",
    "show": "Show what a file of holdfast holds, layer by layer: a table or a picture.",
    "prompts": "List public prompt sets, and show what a set holds.",
    "plan": "Predict memory, disk and time of a run before it starts.",
    "plan-gate": "Say how many prompts a gate needs, before anything is run.",
}

STARTS = {"--coefficient": "start with 0.15 to 0.3, "}
"""Values to start with, for required options without an evident one."""
GROUPS = {
    Group("Start here", sort_key=0): ("demo", "init", "run"),
    Group("Find the weights", sort_key=1): ("score", "select", "combine", "direction", "sites"),
    Group("Change a model", sort_key=2): ("enhance", "adapt", "restore", "edit", "patch", "check"),
    Group("Measure", sort_key=3): ("evaluate", "judge-card", "verify", "compare", "report", "reproduce", "bakeoff"),
    Group("Look", sort_key=4): ("show", "prompts", "plan", "plan-gate"),
}
"""Groups in which `holdfast --help` lists the commands."""

TOGETHER = ("score", "select", "enhance", "adapt")
"""Commands that torchrun or accelerate can start in several processes."""

LOST = 75
"""Exit code if another process was lost. Schedulers can tell it from a mistake, and start the job again."""

app = new_app(
    "holdfast",
    "Find the weights by which a language model holds on to its safety, strengthen them, and hold them fast.\n\n"
    "Exit codes: 0: done. 1: a gate or a check failed. 2: any other error, explained in one sentence. "
    "3: a gate cannot decide with these prompts. 75: another process of a run was lost. 130 or 143: stopped.",
    version=__version__,
    suppress_keyboard_interrupt=False,  # cyclopts would exit silently on an interrupt
)
app.meta.suppress_keyboard_interrupt = False
for _flag, _help in {
    "--help": "Show this page. After a command: its most used options, and with --help-all every one.",
    "--version": "Show the version.",
}.items():
    app[_flag].group, app[_flag].help = OUTPUT.group, _help
for _group, _names in GROUPS.items():
    for _name in filter(COMMANDS.get, _names):
        _module = _name.replace("-", "_")
        _path, _place = f"holdfast.commands.{_module}:{_module}", _names.index(_name)
        app.command(_path, name=_name, help=COMMANDS[_name], group=_group, sort_key=_place)


USAGES = {
    "evaluate": "Usage: holdfast evaluate --out PATH [OPTIONS] [MODEL]",
    "init": "Usage: holdfast init [OPTIONS] [OUT]",
}
"""Usage of the commands whose argument may be left out, which cyclopts calls ARGS."""


@app.meta.default
def launch(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative=""), OUTPUT] = False,
) -> object:
    """Runs one command.

    Parameters
    ----------
    quiet
        Print the result alone, and warnings of losses in a gate.
    """
    was_hidden = hidden.set(quiet)
    before, ours = sentences.set([]), logging.getLogger("holdfast")
    level = ours.level
    ours.setLevel(logging.ERROR if quiet else NOTE)
    speaks = not quiet and os.environ.get("RANK", "0") == "0"
    try:
        with logging_named(), quiet_libraries(downloads=quiet), libraries_announced() if speaks else nullcontext():
            return _launch_together(tokens) if int(os.environ.get("WORLD_SIZE", "1")) > 1 else _launch(tokens)
    finally:
        ours.setLevel(level)
        hidden.reset(was_hidden)
        sentences.reset(before)


def _launch(tokens: Sequence[str]) -> object:
    return app(repeat_options(app, tokens), exit_on_error=False, print_error=False, result_action="return_value")


def _launch_together(tokens: Sequence[str]) -> object:
    """Runs a command in one of several processes. Only the first process prints."""
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
            stream.reconfigure(errors="backslashreplace")  # some terminals can't encode all characters
    end_on_sigterm()
    sys.exit(call(arguments))


def call(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code. It writes an error as one sentence to stderr."""
    try:
        arguments = _without_idle_help(sys.argv[1:] if arguments is None else arguments)
        _prepare_help(arguments)
        app.meta(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except (CycloptsError, ValueError) as error:
        return _fail(error, 2)
    except KeyboardInterrupt as stop:
        if int(os.environ.get("RANK", "0")) == 0:  # launchers interrupt all processes, and one message is enough
            given = sys.argv[1:] if arguments is None else arguments
            _say(stopped_sentence(stop, next((name for name in given if name in COMMANDS), None), given))
        return 143 if isinstance(stop, TerminatedError) else 130
    except LostProcessError as error:
        return _fail(error, LOST)
    except ConnectionError as error:
        return _fail(error, 2)
    except OSError as error:
        return _fail(error, 2, _file_sentence(error))
    except GateError as error:
        return _fail(error, error.exit_code, str(error))  # a line for each condition
    except InvariantError as error:
        return _fail(error, 1)
    except (MemoryError, RuntimeError) as error:
        if is_out_of_memory(error):
            return _fail(error, 2, memory_sentence(sys.argv[1:] if arguments is None else arguments))
        return _fail_inside(error)
    except Exception as error:  # Python itself would end with 1, which says that a gate or a check failed
        return _fail_inside(error)
    return 0


def _without_idle_help(arguments: Sequence[str]) -> Sequence[str]:
    """Leaves out --help behind the name of no command, so that the name is refused."""
    name = next((word for word in arguments if not word.startswith("-")), None)
    if name is None or name in COMMANDS:
        return arguments
    return [word for word in arguments if word not in HELP_FLAGS]


def _prepare_help(arguments: Sequence[str]) -> None:
    """Prepares the help of the command that is called: its docstring, and a line on the options that --help hides."""
    whole = WHOLE in arguments
    app.help_formatter = HelpPage(whole)
    name = next((name for name in arguments if name in COMMANDS), None)
    if name is None or set(HELP_FLAGS).isdisjoint(arguments):
        return
    inner_ones = {word for word in app[name] if not word.startswith("-")}
    inner = next((word for word in arguments if word in inner_ones), None)
    command = app[name] if inner is None else app[name][inner]
    if command.default_command is None:
        return  # a group of commands has no docstring of its own
    command.help = None  # shows the docstring in place of the one line from the list of commands
    command.usage = USAGES.get(name)
    titles = {group.name for group in command.assemble_argument_collection(parse_docstring=False).groups}
    left_out = [title for title in RARE_NAMES if title in titles]
    words = name if inner is None else f"{name} {inner}"
    more = f"More options: holdfast {words} {WHOLE}   ({'; '.join(left_out)})"
    command.help_epilogue = None if whole or not left_out else more


def _fail(error: Exception, code: int, sentence: str = "") -> int:
    if not getattr(error, "is_printed", False):
        _say(sentence or _sentence(error))
    return code


def _fail_inside(error: Exception) -> int:
    """Writes a sentence about a fault of holdfast, then the traceback. Returns 2, because 1 means a failed gate."""
    if getattr(error, "is_printed", False):
        return 2
    message = " ".join(str(error).split())
    named = type(error).__name__ + (f": {message.rstrip('.')}" if message else "")
    _say(f"holdfast failed inside: {named}; this is a fault of holdfast, please report it with the lines below.")
    sys.stderr.write("".join(traceback.format_exception(error)))
    return 2


def _say(sentence: str) -> None:
    sys.stderr.write(f"holdfast: {sentence}\n")


def _file_sentence(error: OSError) -> str:
    """Explains an error of the operating system, such as a full disk or a wrong permission, with the file's path."""
    where = f"{str(error.filename)!r} " if error.filename else "a file "
    return f"{where}could not be read or written: {error.strerror or error}; check the path and its permissions."


def _usual_option(error: UnknownOptionError) -> str | None:
    """Suggests the option that another name means, such as --learning-rate for --lr. None for other names."""
    given = (error.token.keyword or error.token.value).partition("=")[0]
    known = usual_option(given, names_of(error.argument_collection))
    return known or advice_on_fewer(error, given) or sister_of(app, error, given)


def _advice_on_number(error: CoercionError) -> str | None:
    """Says how to write a number, or a share that was given in percent. None for what is no number at all."""
    if error.token is None or error.target_type not in (float, int):
        return None
    name, given = error.token.keyword or "a number", error.token.value
    if error.target_type is float and (advice := share_advice(given)):
        return f"{name} takes no percentage; {advice}."
    return f"{name}: got {given!r}, {number_reason(given, is_whole=error.target_type is int)}; see --help."


def _percentage_remedy(sentence: str) -> str:
    """Says how to write a percentage where a number above 1 was refused, such as 5. Empty for other numbers."""
    given = re.search(r'"([^"]*)" for .* Must be <=? 1\.$', sentence)
    advice = percentage_advice(given[1]) if given else None
    return f" Write {advice}." if advice else ""


def _purpose(error: MissingArgumentError) -> str:
    """Returns the first sentence of the missing argument's help in brackets. Empty where there is no help."""
    command = reduce(lambda outer, name: outer[name], error.command_chain or (), app)
    for argument in command.assemble_argument_collection(parse_docstring=True):
        if error.argument and argument.name == error.argument.name and argument.parameter.help:
            sentence = " ".join(argument.parameter.help.split()).split(". ")[0].rstrip(".")
            return f" ({sentence[0].lower()}{sentence[1:]})"
    return ""


def _sentence(error: object) -> str:
    """Describes an error in one line. For options that pydantic rejects it names each option and its value."""
    if isinstance(error, MissingArgumentError) and error.argument and not error.tokens_so_far:
        if misnamed := misnamed_option(app, error):
            return misnamed
        name = error.argument.name if error.argument.index is None else error.argument.name.lstrip("-").upper()
        return f"{name} is missing, or has no value{_purpose(error)}; {STARTS.get(name, '')}see --help."
    if isinstance(error, UnknownOptionError) and (sentence := _usual_option(error)):
        return sentence
    if isinstance(error, CoercionError) and (advice := _advice_on_number(error)):
        return advice
    if isinstance(error, UnknownCommandError):
        return command_meant(app, error)
    if isinstance(error, UnusedCliTokensError):
        return superfluous_sentence(app, error)
    refused = error.__cause__ if isinstance(error, CycloptsError) else error
    errors = getattr(refused, "errors", None)
    if errors is None:
        sentence = " ".join(str(error).split())
        if wrong := NAN.match(sentence):
            return f"{wrong[1]}, {NOT_A_NUMBER}; see --help."
        return f"{sentence}{_percentage_remedy(sentence)}"
    prefix = getattr(getattr(error, "argument", None), "name", "*")  # the group's prefix, such as --generate
    parts = []
    for problem in errors():
        if problem["type"] == "value_error":  # options that don't go together: the sentence is our own
            settings = problem["input"] if isinstance(problem["input"], dict) else ()
            return as_typed(str(problem["ctx"]["error"]), settings, getattr(error, "root_input_tokens", None) or ())
        # Parts of the location from a list index on belong to the value, and no option is named after them.
        names = takewhile(lambda part: isinstance(part, str) and part.isidentifier(), problem["loc"])
        name = ".".join(str(part).replace("_", "-") for part in names)
        option = f"--{name}" if prefix == "*" else f"{prefix}.{name}"
        parts.append(f"{option}: got {problem['input']!r}, {reason_of(problem)}")
    return "; ".join(parts) + "; see --help."
