"""Steering is compared with random directions by a rank p value, and decides nothing where it can't."""

import pytest

from holdfast.commands.steered import _effects
from holdfast.outcomes import Evaluation, Rate
from holdfast.pipeline.steering import Steered


def evaluation(refusal: float) -> Evaluation:
    none, refused = Rate(None, None, None, 0), Rate(refusal, 0.0, 1.0, 50)
    return Evaluation(none, none, none, None, groups={"refusal/harmful": refused})


def effect(before, own, random):
    """The change of refusals along a direction, against random ones."""
    measured = Steered(evaluation(before), {0.5: evaluation(own)}, {0.5: tuple(map(evaluation, random))})
    return next(one for one in _effects(measured, 0.5) if one.measure == "refusal")


@pytest.mark.parametrize(
    ("before", "own", "random", "p_value", "words"),
    [
        (0.4, 0.8, [0.5] * 19, 1 / 20, "more than random directions do"),
        (0.4, 0.0, [0.7] * 19, 1 / 20, "more than random directions do"),
        (0.4, 0.8, [0.5] * 18 + [0.0], 2 / 20, "no more than random directions do"),
        (0.4, 0.8, [0.5] * 18, 1 / 19, "for orientation: 18 random directions can't decide, 19 or more can"),
        (0.0, 0.0, [0.0] * 19, 1.0, "nothing can be concluded: all rates are equal"),
    ],
)
def test_an_effect_is_shown_by_19_random_directions_that_all_change_less(before, own, random, p_value, words):
    found = effect(before, own, random)
    assert found.p_value == pytest.approx(p_value)
    assert found.words == words
