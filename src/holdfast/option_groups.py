"""Groups of options in the help of a command.

`commands/parameters.py` sets the group of a whole options class. A field that belongs to another group names it in its
annotation: `shard: Annotated[bool, SEVERAL] = False`.
"""

from cyclopts import Group, Parameter


def _group(name: str, place: int, help: str = "") -> Parameter:
    return Parameter(group=Group(name, help, sort_key=place))


NEEDED = Group("What you need", sort_key=1)
"""The group of options that name no other group."""
MEASURED = _group("What else is measured", 2)
JUDGED = _group("How it is judged", 3)
RESPONSES = _group("How responses are made", 4)
METHOD = _group("How the method works", 5)
LORA = _group("LoRA adapters", 6, "Any of these options trains LoRA adapters in place of the weights.")
PUBLISHED = _group("What is published", 7)
OUTPUT = _group("Output", 8)
WHERE_LORA = Parameter(show_default=lambda default: f"{default} with LoRA")
"""Marks a default that applies only where LoRA is on."""

RARE = (
    Group("Options of --method", "Each option names the methods that read it.", sort_key=10),
    Group("Finer points of the method", sort_key=11),
    Group("Speed and randomness of responses", sort_key=12),
    Group("Neurons in place of weights", sort_key=13),
    Group("Jobs, several processes, large models", sort_key=14),
    Group(
        "Guard models",
        "How a guard's verdict is read. Known families of guards need none of these.",
        sort_key=15,
    ),
    Group("Classifiers", "How the verdict of a sequence classifier is read.", sort_key=16),
    Group("Judges behind an API", "How holdfast calls a judge named api:MODEL.", sort_key=17),
    Group("Directions", "Moves the residual stream along a direction, or leaves the direction out.", sort_key=18),
    Group("Served models", "How holdfast calls the server that --served names. It has its own template.", sort_key=19),
)
"""Groups that `--help-all` shows and `--help` only mentions."""
PRESERVE, FINE, SPEED, NEURONS, SEVERAL, GUARDS, CLASSIFIERS, ENDPOINTS, STEERED, SERVED = (
    Parameter(group=group) for group in RARE
)
RARE_NAMES = tuple(group.name for group in RARE)
