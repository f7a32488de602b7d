"""The table of a run's arms: an arm is one way of treating the model, with a method, a mask and a look on pages.

Config, layout, run, plan, report and page read this table, so that a new arm is one row here. A mask has the name of
the selector that makes it, and a method the name of its row in `intervene/train/methods.py`.

The module imports no torch, so that `--help` and reading a config stay fast.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from holdfast.spelling import meant

Stage = Literal["verify", "enhance", "adapt"]
STAGES: tuple[Stage, ...] = get_args(Stage)
SAFETY_ONLY = "safety_only"
"""Name of the selector, and of its mask, that needs utility scores besides safety scores."""
CONTROLS = "controls"
"""Key of the report's section of SET that holds its controls."""
SELECTED = "{selected}"
"""Placeholder in labels. Pages replace it with the main mask and its share, such as 'top 1%'."""
OTHER_WEIGHTS = "other weights with the same data and steps"
"""Words for the weights that most controls of SET tune."""
STARTS: Mapping[Stage, str] = {"enhance": "before", "adapt": "start"}
"""Name of the untouched model in each stage, used in files, in the report and on pages."""


@dataclass(frozen=True)
class Look:
    """Colour and marker of an arm on pages. Arms that treat the same weights look the same in every stage."""

    name: str
    """Name of the class and of the variable in the style sheet."""
    marker: str
    """Shape of the marker. It tells arms apart in print without colour and for colour-blind readers."""
    light: str = ""
    """Colour on a light background. Empty means the colour of the text."""
    dark: str = ""
    """Colour on a dark background. Empty means the colour of the text."""


START = Look("start", "ring")
TOP = Look("top", "circle", "#0b66a5", "#5fb4ee")
SAFETY = Look("safety_only", "triangle", "#96397f", "#dd92ca")
RANDOM = Look("random", "square", "#787e87", "#98a0aa")
BOTTOM = Look("bottom", "cross", "#00795c", "#45c4a0")
ALONE = Look("alone", "bar", "#8a6d00", "#d9b94a")
FULL = Look("full", "diamond", "#c44d08", "#f28d4f")
"""Looks whose colours stay distinct under the common kinds of colour blindness."""


@dataclass(frozen=True)
class Arm:
    """One way of treating the model in a stage of a run."""

    name: str
    """Name in configs, folders and files."""
    stage: Stage
    mask: str | None
    """Selector of the mask that the method trains, holds or puts noise on. None stands for all weights."""
    method: str
    """Method of fine-tuning, or `noise`."""
    help: str
    """Meaning in the config's help. Arms with the same meaning share a line there."""
    label: str
    """Name on pages and in tables."""
    look: Look
    place: tuple[str, ...] = ()
    """Keys that lead to the arm's suite within the stage's section of the report. Left out, the name is the key."""
    options: Mapping[str, object] = field(default_factory=dict)
    """Settings that this arm changes from those of its stage."""
    is_control: bool = True
    """Tells whether a run that is short of memory may leave the arm out."""
    is_usual: bool = True
    """Tells whether a run that names no arms has it."""
    is_compared: bool = False
    """Tells whether other arms are compared with this one prompt by prompt, as they are with the start."""

    does: str = ""
    """Words for what this arm tunes or holds, for a sentence of the page. Left out, the sentence does not name it."""

    @property
    def path(self) -> tuple[str, ...]:
        """Keys that lead to the arm's suite in the report."""
        return (self.stage, *(self.place or (self.name,)))

    @property
    def needs_utility(self) -> bool:
        """Tells whether making the arm's mask needs utility scores."""
        return self.mask == SAFETY_ONLY

    def label_for(self, selected: str) -> str:
        """Returns the label with the given name of the main mask filled in."""
        return self.label.replace(SELECTED, selected)


def _noise(mask: str, label: str, look: Look) -> Arm:
    return Arm(mask, "verify", mask, "noise", "noise on the mask", label, look)


def _control(name: str, mask: str | None, help: str, label: str, look: Look, does: str = OTHER_WEIGHTS, **more) -> Arm:
    """A control of SET, which tunes its mask's weights or, without a mask, all weights."""
    method = "set" if mask else "plain"
    return Arm(name, "enhance", mask, method, help, label, look, (CONTROLS, name), does=does, **more)


def _instead(method: str, does: str) -> Arm:
    """A method that people use in place of a mask. A run has it only if its config names it."""
    return Arm(method, "adapt", None, method, "methods without a mask", method, FULL, is_usual=False, does=does)


ARMS: tuple[Arm, ...] = (
    _noise("top", "top", TOP),
    _noise("safety_only", "safety-only", SAFETY),
    _noise("random", "random", RANDOM),
    _noise("bottom", "bottom", BOTTOM),
    Arm("top", "enhance", "top", "set", "the mask", SELECTED, TOP, ("after",), is_control=False),
    Arm("safety_only", "enhance", "safety_only", "set", "its controls", "safety-only", SAFETY, does=OTHER_WEIGHTS),
    _control("random", "random", "its controls", "random", RANDOM, is_compared=True),
    _control("bottom", "bottom", "its controls", "bottom", BOTTOM),
    _control(
        "refusals_alone",
        "top",
        "the mask, without harmless examples",
        "refusals alone",
        ALONE,
        "the selected weights on refusals alone, without harmless exchanges",
        options={"harmless_share": 0.0},
    ),
    _control("full", None, "all weights", "all weights", FULL),
    Arm("plain", "adapt", None, "plain", "none", "plain", FULL, is_compared=True, does="without a hold"),
    Arm(
        "protected",
        "adapt",
        "top",
        "spa",
        "the mask",
        f"hold {SELECTED}",
        TOP,
        is_control=False,
        does="with the selected entries held at their values",
    ),
    Arm(
        "safety_only",
        "adapt",
        "safety_only",
        "spa",
        "its controls",
        "hold safety-only",
        SAFETY,
        does="with the safety-only entries held",
    ),
    Arm(
        "random_protected",
        "adapt",
        "random",
        "spa",
        "its controls",
        "hold random",
        RANDOM,
        is_compared=True,
        does="with as many random entries held",
    ),
    *(
        _instead(method, words)
        for method, words in (
            ("mixed", "with given refusals mixed in"),
            ("replay", "with the model's own answers to safety prompts mixed in"),
            ("kl", "with a penalty on the KL divergence from the start"),
            ("der", "with a penalty on the distance to the start's logits"),
            ("constrained", "with constrained first tokens"),
            ("safegrad", "without the part of the gradient that opposes safety"),
            ("ema", "with the weights averaged over the steps"),
            ("layers", "with some layers frozen"),
        )
    ),
    Arm(
        "protected_replay",
        "adapt",
        "top",
        "spa+replay",
        "the mask, with the model's own answers to safety prompts mixed in",
        f"hold {SELECTED} + replay",
        TOP,
        is_usual=False,
        does="with the selected entries held and the model's own answers to safety prompts mixed in",
    ),
)
"""All arms, stage by stage, in the order of configs, runs and pages."""


def arms_of(stage: Stage) -> dict[str, Arm]:
    """Returns the arms of a stage by name."""
    return {arm.name: arm for arm in ARMS if arm.stage == stage}


def usual_arms(stage: Stage) -> tuple[str, ...]:
    """Returns the names of the arms of a run whose config names none."""
    return tuple(name for name, arm in arms_of(stage).items() if arm.is_usual)


def arm_named(stage: Stage, name: str) -> Arm:
    """Returns the arm of a stage with this name.

    Raises:
        ValueError: the stage has no such arm.
    """
    known = arms_of(stage)
    if name not in known:
        raise ValueError(f"{stage} has no arm {name!r}; {meant(name, known)}.")
    return known[name]


def help_on(stage: Stage) -> str:
    """Lists the arms of a stage for a setting's help: one line per meaning, with all arms that have it."""
    meanings: dict[str, list[str]] = {}
    for arm in arms_of(stage).values():
        meanings.setdefault(arm.help, []).append(arm.name)
    return "\n".join(f"- {', '.join(names)}: {meaning}" for meaning, names in meanings.items())


def masks(arms: Iterable[Arm]) -> tuple[str, ...]:
    """Returns the masks that arms work on, each once, in the order of the arms."""
    return tuple(dict.fromkeys(arm.mask for arm in arms if arm.mask))


def looks(*stages: Stage) -> dict[str, Look]:
    """Returns the looks of these stages' arms by name, in the order of the arms."""
    return {arm.look.name: arm.look for stage in stages for arm in arms_of(stage).values()}
