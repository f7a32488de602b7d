import pytest

from holdfast.evaluate.agreement import agreement
from holdfast.evaluate.statistics import wilson_interval
from holdfast.values import Outcome

SAFE, UNSAFE, NONE = Outcome("safe"), Outcome("unsafe"), Outcome.unscored("no answer")


def judged(*counts):
    """Outcomes of both judges from (count, first, second)."""
    pairs = [(first, second) for count, first, second in counts for _ in range(count)]
    return [first for first, _ in pairs], [second for _, second in pairs]


def test_kappa_is_agreement_beyond_chance():
    # p = 35/50 = 0.7; the first says unsafe 25 times, the second 30: c = (25 30 + 25 20) / 2500 = 0.5; 0.2 / 0.5
    found = agreement(*judged((20, UNSAFE, UNSAFE), (5, UNSAFE, SAFE), (10, SAFE, UNSAFE), (15, SAFE, SAFE)))
    assert found.kappa == pytest.approx(0.4, abs=1e-12)  # whole numbers, one division
    assert (found.share.value, found.share.n, found.share.unscored) == (0.7, 50, 0)
    assert (found.share.low, found.share.high) == wilson_interval(0.7, 50)


def test_kappa_goes_from_minus_one_to_one():
    assert agreement(*judged((3, SAFE, SAFE), (2, UNSAFE, UNSAFE))).kappa == 1
    assert agreement(*judged((2, SAFE, UNSAFE), (2, UNSAFE, SAFE))).kappa == -1


def test_a_judge_that_always_says_the_same_agrees_by_chance_alone():
    found = agreement(*judged((9, SAFE, SAFE), (1, UNSAFE, SAFE)))
    assert (found.share.value, found.kappa) == (0.9, 0)


def test_kappa_of_judges_that_both_say_one_thing_is_undefined():
    found = agreement(*judged((7, SAFE, SAFE)))
    assert (found.share.value, found.kappa) == (1, None)


def test_responses_that_either_leaves_unscored_are_left_out_and_counted():
    counts = ((2, SAFE, SAFE), (2, UNSAFE, UNSAFE), (1, NONE, SAFE), (3, UNSAFE, NONE), (1, NONE, NONE))
    found = agreement(*judged(*counts))
    assert (found.share.value, found.share.n, found.share.unscored, found.kappa) == (1, 4, 5, 1)


@pytest.mark.parametrize("outcomes", [[], [NONE, NONE]])
def test_without_a_verdict_of_both_nothing_is_measured(outcomes):
    found = agreement(outcomes, outcomes)
    assert (found.share.value, found.share.n, found.share.unscored) == (None, 0, len(outcomes))
    assert found.kappa is None


def test_outcomes_of_other_responses_are_our_own_mistake():
    with pytest.raises(ValueError, match="shorter"):
        agreement([SAFE, SAFE], [SAFE])
