"""The arms of a run, one row each: what is done to the model, with which mask, and how pages show it.

Config, layout, run, plan, report and page read this table, so that a new arm is one row here. A mask is named like the
selector that cuts it, and a method like its row in `intervene/train/methods.py`.

Needs no torch, so that `--help` and a look into a config stay fast.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

Stage = Literal["verify", "enhance", "adapt"]
STAGES: tuple[Stage, ...] = get_args(Stage)
SAFETY_ONLY = "safety_only"
"""The mask that takes utility scores."""
CONTROLS = "controls"
"""Key of the report under which SET's controls lie."""
SELECTED = "{selected}"
"""Stands in labels for the main mask with its share, such as 'top 1%'."""
STARTS: Mapping[Stage, str] = {"enhance": "before", "adapt": "start"}
"""Name of the untouched model in a stage: in files, in the report and on pages."""


@dataclass(frozen=True)
class Look:
    """The sign that pages give an arm, in every stage the same for the same weights."""

    name: str
    """Class and variable in the style sheet."""
    marker: str
    """Shape, a second sign beside the colour, for print without colour and for eyes that see it differently."""
    light: str = ""
    """Colour on a light ground; both are empty for the colour of the text."""
    dark: str = ""


START = Look("start", "ring")
TOP = Look("top", "circle", "#0b66a5", "#5fb4ee")
SAFETY = Look("safety_only", "triangle", "#96397f", "#dd92ca")
RANDOM = Look("random", "square", "#787e87", "#98a0aa")
BOTTOM = Look("bottom", "cross", "#00795c", "#45c4a0")
ALONE = Look("alone", "bar", "#8a6d00", "#d9b94a")
FULL = Look("full", "diamond", "#c44d08", "#f28d4f")
"""The colours are told apart by the common kinds of colour blindness."""


@dataclass(frozen=True)
class Arm:
    """One way of treating the model."""

    name: str
    """In configs, folders and files."""
    stage: Stage
    mask: str | None
    """Selector of the mask that the method trains, holds or disturbs; None works on all weights."""
    method: str
    """Method of fine-tuning, or noise."""
    help: str
    """Meaning in the config's help; arms of one meaning share a line."""
    label: str
    """Name on pages and in tables."""
    look: Look
    place: tuple[str, ...] = ()
    """Keys of its suite within the stage's section of the report; its name when left out."""
    options: Mapping[str, object] = field(default_factory=dict)
    """Settings of the stage that differ in this arm."""
    is_control: bool = True
    """Whether a run that is short of memory may leave it out."""
    is_compared: bool = False
    """Whether other arms are paired with it, prompt by prompt, beside the start."""

    @property
    def path(self) -> tuple[str, ...]:
        """Keys of its suite in the report."""
        return (self.stage, *(self.place or (self.name,)))

    @property
    def needs_utility(self) -> bool:
        """Whether its mask takes utility scores."""
        return self.mask == SAFETY_ONLY

    def label_for(self, selected: str) -> str:
        """The label, with the main mask called so."""
        return self.label.replace(SELECTED, selected)


def _noise(mask: str, label: str, look: Look) -> Arm:
    return Arm(mask, "verify", mask, "noise", "noise on the mask", label, look)


def _control(name: str, mask: str | None, method: str, help: str, label: str, look: Look, **more) -> Arm:
    return Arm(name, "enhance", mask, method, help, label, look, (CONTROLS, name), **more)


ARMS: tuple[Arm, ...] = (
    _noise("top", "top", TOP),
    _noise("safety_only", "safety-only", SAFETY),
    _noise("random", "random", RANDOM),
    _noise("bottom", "bottom", BOTTOM),
    Arm("top", "enhance", "top", "set", "the mask", SELECTED, TOP, ("after",), is_control=False),
    Arm("safety_only", "enhance", "safety_only", "set", "its controls", "safety-only", SAFETY),
    _control("random", "random", "set", "its controls", "random", RANDOM, is_compared=True),
    _control("bottom", "bottom", "set", "its controls", "bottom", BOTTOM),
    _control(
        "refusals_alone",
        "top",
        "set",
        "the mask, without harmless examples",
        "refusals alone",
        ALONE,
        options={"harmless_share": 0.0},
    ),
    _control("full", None, "plain", "all weights", "all weights", FULL),
    Arm("plain", "adapt", None, "plain", "none", "plain", FULL, is_compared=True),
    Arm("protected", "adapt", "top", "spa", "the mask", f"hold {SELECTED}", TOP, is_control=False),
    Arm("safety_only", "adapt", "safety_only", "spa", "its controls", "hold safety-only", SAFETY),
    Arm("random_protected", "adapt", "random", "spa", "its controls", "hold random", RANDOM, is_compared=True),
)
"""In the order of configs, runs and pages, stage by stage."""


def arms_of(stage: Stage) -> dict[str, Arm]:
    """The arms of a stage by name."""
    return {arm.name: arm for arm in ARMS if arm.stage == stage}


def arm_named(stage: Stage, name: str) -> Arm:
    """The row of an arm.

    Raises:
        ValueError: the stage has no such arm.
    """
    known = arms_of(stage)
    if name not in known:
        raise ValueError(f"{stage} has no arm {name!r}; choose one of {', '.join(known)}.")
    return known[name]


def help_on(stage: Stage) -> str:
    """A list of the arms and their meaning, arms of one meaning in one line, for a setting's help."""
    meanings: dict[str, list[str]] = {}
    for arm in arms_of(stage).values():
        meanings.setdefault(arm.help, []).append(arm.name)
    return "\n".join(f"- {', '.join(names)}: {meaning}" for meaning, names in meanings.items())


def masks(arms: Iterable[Arm]) -> tuple[str, ...]:
    """The masks that arms work on, each once, in their order."""
    return tuple(dict.fromkeys(arm.mask for arm in arms if arm.mask))


def looks(*stages: Stage) -> dict[str, Look]:
    """The signs of these stages' arms by name, in their order."""
    return {arm.look.name: arm.look for stage in stages for arm in arms_of(stage).values()}
