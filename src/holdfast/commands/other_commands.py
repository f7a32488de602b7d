"""Errors about names that belong to another command, or that say something which holdfast writes in another way."""

from cyclopts import App, UnknownOptionError

SISTERS = {"plan-gate": ("compare", "evaluate"), "compare": ("plan-gate", "evaluate"), "evaluate": ("compare",)}
"""Commands whose options are easily confused with those of another one."""
GATE = (
    'there is no command "gate"; `holdfast compare BEFORE AFTER --fail-if CONDITION` is the gate, and '
    "`holdfast plan-gate` says how many prompts it needs."
)
FEWER = ("limit", "num_prompts", "max_prompts", "max_samples", "num_examples", "n")
"""Usual names of an option that takes the first prompts of a set."""
SETS = ("--harmful", "--harmless", "--questions", "--prompts", "--task", "--refusals")
"""Options that take a prompt set."""


def sister_of(app: App, error: UnknownOptionError, option: str) -> str | None:
    """Names the sister command that has this option. None where there is none."""
    command = (error.command_chain or ("",))[0]
    for sister in SISTERS.get(command, ()):
        arguments = app[sister].assemble_argument_collection(parse_docstring=False)
        if option in {name for one in arguments for name in one.names}:
            return f"{option} is an option of `holdfast {sister}`, and not of `holdfast {command}`; see --help."
    return None


def advice_on_fewer(error: UnknownOptionError, option: str) -> str | None:
    """Says how to take the first prompts of a set. None for another option, or a command without prompt sets."""
    names = {name for one in error.argument_collection for name in one.names}
    given = next((name for name in SETS if name in names), None)
    if given is None or option.lstrip("-").replace("-", "_") not in FEWER:
        return None
    return f"there is no option {option}; write {given} FILE#first=32 to take the first 32 prompts of a set."
