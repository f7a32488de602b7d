"""A direction that is known to point away from harmful prompts is not strengthened."""

import pytest
import torch

from holdfast.built_in import PROMPT_SETS
from holdfast.pipeline.direction_sides import TESTBED, refuse_away_from_harm
from holdfast.values import Direction


def made(positive: str, negative: str) -> dict[str, object]:
    return {"positive": {"name": positive}, "negative": {"name": negative}}


def test_every_built_in_set_of_prompts_has_a_side_but_those_of_the_guard():
    assert set(TESTBED) == {name for name in PROMPT_SETS if not name.startswith("guard_")}


@pytest.mark.parametrize(
    "made_by",
    [
        made("testbed:harmless#first=40", "testbed:harmful_calibration"),
        made("xstest", "harmbench"),
        {"direction": {"made_by": made("testbed:borderline", "testbed:harmful_seen")}},
    ],
)
def test_a_direction_from_harmful_to_safe_is_refused(made_by):
    with pytest.raises(
        ValueError, match=r"points from harmful prompts .* so an edit would weaken refusals; find it with"
    ):
        refuse_away_from_harm("file", Direction(torch.ones(4), 0, 1.0, "base", made_by))


@pytest.mark.parametrize(
    "made_by",
    [
        {},
        made("testbed:harmful_calibration", "testbed:harmless"),
        made("harmbench", "advbench"),
        made("safe.txt", "harmful.txt"),
        {"like": made("testbed:harmless", "testbed:harmful_seen")},
    ],
)
def test_others_and_sets_of_unknown_sides_pass(made_by):
    refuse_away_from_harm("file", Direction(torch.ones(4), 0, 1.0, "base", made_by))
