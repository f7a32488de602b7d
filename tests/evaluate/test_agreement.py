import numpy as np
import pytest

from holdfast.evaluate.agreement import agreement
from holdfast.evaluate.statistics import wilson_interval
from holdfast.outcomes import Outcome

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


def test_kappa_has_the_worked_interval():
    # The counts above: p_uu = 0.4, p_ss = 0.3, p_us = 0.1, p_su = 0.2; a = (0.5, 0.5), b = (0.6, 0.4).
    # 0.4 (1 - 1.1 0.6)^2 + 0.3 (1 - 0.9 0.6)^2 = 0.10972; 0.36 (0.1 (0.6 + 0.5)^2 + 0.2 (0.4 + 0.5)^2) = 0.10188;
    # less (0.4 - 0.5 0.6)^2 = 0.01: v = 0.2016 / (50 0.25) = 0.016128, half = 1.95996 * 0.126996 = 0.248908.
    found = agreement(*judged((20, UNSAFE, UNSAFE), (5, UNSAFE, SAFE), (10, SAFE, UNSAFE), (15, SAFE, SAFE)))
    assert (found.kappa_low, found.kappa_high) == pytest.approx((0.4 - 0.248908, 0.4 + 0.248908), abs=1e-5)


def test_the_interval_of_kappa_covers_the_agreement_of_many_more_responses():
    generator, covered, trials = np.random.default_rng(0), 0, 600
    verdicts = [(UNSAFE, UNSAFE), (UNSAFE, SAFE), (SAFE, UNSAFE), (SAFE, SAFE)]
    truth = (0.7 - 0.5) / 0.5  # of the shares above
    for _ in range(trials):
        counts = generator.multinomial(200, [0.4, 0.1, 0.2, 0.3]).tolist()
        found = agreement(*judged(*((count, *pair) for count, pair in zip(counts, verdicts, strict=True))))
        covered += found.kappa_low <= truth <= found.kappa_high
    assert 0.93 - 0.018 <= covered / trials <= 0.97 + 0.018  # standard error 0.009


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
