"""Errors about names that belong to another command, or that say something which holdfast writes in another way."""

from collections.abc import Iterable
from functools import reduce

from cyclopts import App, ArgumentCollection, MissingArgumentError, UnknownCommandError, UnknownOptionError

from holdfast.spelling import is_nearly, meant
from holdfast.usual_names import conversion, usual

SISTERS = {"plan-gate": ("compare", "evaluate"), "compare": ("plan-gate", "evaluate"), "evaluate": ("compare",)}
"""Commands whose options are easily confused with those of another one."""
GATE = (
    "`holdfast compare BEFORE AFTER --fail-if CONDITION` is the gate, and `holdfast plan-gate` says how many prompts "
    "it needs"
)
TRAIN = "`holdfast adapt` fine-tunes on a task, and `holdfast enhance` makes a model safer"
MEASURE = "`holdfast evaluate` measures a model, and `holdfast compare` compares two evaluations"
USUAL_COMMANDS = {
    "gate": GATE,
    **dict.fromkeys(("train", "tune", "finetune", "fine-tune", "sft", "lora", "spa", "set"), TRAIN),
    **dict.fromkeys(("eval", "test", "measure", "diff"), MEASURE),
    "mask": "`holdfast select` makes a mask of scores",
    "protect": "`holdfast adapt --mask MASK` fine-tunes and holds a mask",
    "hold": "`holdfast adapt --mask MASK` fine-tunes and holds a mask",
    "version": "`holdfast --version` prints the version",
}
"""Usual names of commands, with what does that here."""
FEWER = ("limit", "num_prompts", "max_prompts", "max_samples", "num_examples", "n")
"""Usual names of an option that takes the first prompts of a set."""
SETS = ("--harmful", "--harmless", "--questions", "--prompts", "--task", "--refusals")
"""Options that take a prompt set."""


def usual_option(given: str, known: Iterable[str]) -> str | None:
    """Suggests the option that another name means, such as --learning-rate for --lr. None for other names."""
    ours = usual(given, known)
    return None if ours is None else f"there is no option {given}; did you mean {ours}{conversion(given)}? See --help."


def misnamed_option(app: App, error: MissingArgumentError) -> str | None:
    """Suggests our name for an option under another name, beside which an option is missing. None without one."""
    command = error.command_chain or ()
    names = names_of(reduce(lambda outer, name: outer[name], command, app).assemble_argument_collection())
    given = [token.partition("=")[0] for token in error.root_input_tokens or () if token.startswith("--")]
    for token in given:
        if token not in names and (sentence := usual_option(token, names)):
            return sentence
        if token not in names and (ours := next((one for one in names if is_nearly(token, one)), None)):
            return f"there is no option {token}; did you mean {ours}? See --help."
    return None


def names_of(arguments: ArgumentCollection) -> list[str]:
    """Lists every name of all options."""
    return [name for one in arguments for name in one.names]


def sister_of(app: App, error: UnknownOptionError, option: str) -> str | None:
    """Names the sister command that has this option. None where there is none."""
    command = (error.command_chain or ("",))[0]
    for sister in SISTERS.get(command, ()):
        if option in names_of(app[sister].assemble_argument_collection(parse_docstring=False)):
            return f"{option} is an option of `holdfast {sister}`, and not of `holdfast {command}`; see --help."
    return None


def advice_on_fewer(error: UnknownOptionError, option: str) -> str | None:
    """Says how to take the first prompts of a set. None for another option, or a command without prompt sets."""
    names = names_of(error.argument_collection)
    given = next((name for name in SETS if name in names), None)
    if given is None or option.lstrip("-").replace("-", "_") not in FEWER:
        return None
    return f"there is no option {option}; write {given} FILE#first=32 to take the first 32 prompts of a set."


def command_meant(app: App, error: UnknownCommandError) -> str:
    """Says which command an unknown one means, or where all are listed."""
    given, chain = (error.unused_tokens or [""])[0], error.command_chain or ()
    start = f"there is no command {given!r}"
    if not chain and given in USUAL_COMMANDS:
        return f"{start}; {USUAL_COMMANDS[given]}."
    group = reduce(lambda outer, name: outer[name], chain, app)
    names = [name for name in group if not name.startswith("-")]
    listed = f"`{' '.join(('holdfast', *chain))} --help` lists all"
    return f"{start}; {meant(given, names, listed_by='' if chain else listed)}."
