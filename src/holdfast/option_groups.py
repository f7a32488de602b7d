"""The groups in which the help of a command lists its options.

A command's options class gets its group where the command line takes it up (`commands/parameters.py`). A field that
belongs elsewhere says so in its annotation: `shard: Annotated[bool, SEVERAL] = False`.
"""

from cyclopts import Group, Parameter


def _group(name: str, place: int, help: str = "") -> Parameter:
    return Parameter(group=Group(name, help, sort_key=place))


NEEDED = Group("What you need", sort_key=1)
"""Where an option is listed that names no other group."""
MEASURED = _group("What else is measured", 2)
JUDGED = _group("How it is judged", 3)
RESPONSES = _group("How responses are made", 4)
METHOD = _group("How the method works", 5)
LORA = _group(
    "LoRA adapters", 6, "Off unless one of these is given: then adapters are trained in place of the weights."
)
OUTPUT = _group("Output", 7)
FINE = _group("Finer points of the method", 11)
SPEED = _group("Speed and randomness of responses", 12)
SEVERAL = _group("Several processes, large models", 13)
GUARDS = _group("Guard models", 14, "How a guard model is read. Known families need none of these.")
CLASSIFIERS = _group("Classifiers", 15, "How a sequence classifier is read.")
ENDPOINTS = _group("Judges behind an API", 16, "How a judge is asked that is named api:MODEL.")

WHERE_LORA = Parameter(show_default=lambda default: f"LoRA is off; {default} where it is on")
"""Marks a default that holds only where LoRA was asked for."""

RARE = (FINE, SPEED, SEVERAL, GUARDS, CLASSIFIERS, ENDPOINTS)
"""Groups that `--help-all` shows and `--help` only mentions."""


def rare_names() -> tuple[str, ...]:
    """The titles of the groups that only `--help-all` shows."""
    return tuple(group.name for parameter in RARE for group in parameter.group or () if isinstance(group, Group))
