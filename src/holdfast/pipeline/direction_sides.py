"""Refuses to strengthen a direction that is known to point from harmful prompts to safe ones, which weakens refusals.

The provenance names the prompt sets. holdfast knows the kinds of built-in and public sets, not those of other files.
"""

from collections.abc import Mapping
from typing import Literal

from holdfast.made_by import set_name
from holdfast.prompts.known import KNOWN
from holdfast.values import Direction

Side = Literal["harmful", "safe"]
TESTBED: Mapping[str, Side] = {
    **dict.fromkeys(("harmful_calibration", "harmful_development", "harmful_heldout", "harmful_seen"), "harmful"),
    **dict.fromkeys(("refusals",), "harmful"),
    **dict.fromkeys(("borderline", "harmless", "harmless_exchanges"), "safe"),
    **dict.fromkeys(("questions", "questions_calibration", "task_evaluation", "task_train"), "safe"),
}
"""Kinds of prompts in the built-in sets. Sets for the guard are missing, because they hold both kinds."""


def refuse_away_from_harm(name: str, direction: Direction) -> None:
    """Raises ValueError for a direction whose negative prompts are known as harmful, and its positive ones as safe."""
    made_by = direction.made_by
    while isinstance(carried := made_by.get("direction"), Mapping):  # by `direction transplant`
        made_by = carried.get("made_by", {})
    positive, negative = (set_name(made_by, side) for side in ("positive", "negative"))
    if (kind_of_set(positive), kind_of_set(negative)) == ("safe", "harmful"):
        raise ValueError(
            f"the direction {name!r} points from harmful prompts ({negative}) to safe ones ({positive}), so an edit "
            "would weaken refusals; find it with the harmful prompts as the positive ones, or measure it with "
            "`holdfast direction steer`, which changes no weight."
        )


def kind_of_set(name: str) -> Side | None:
    """Returns the kind of a set by its name. None if it is unknown, such as a file's."""
    name = name.partition("#")[0]
    if name in KNOWN:
        return "harmful" if KNOWN[name].kind == "harmful" else "safe"
    return TESTBED.get(name.removeprefix("testbed:")) if name.startswith("testbed:") else None
