import random

import pytest
from scipy.stats import binom, binomtest

from holdfast.evaluate.statistics import (
    Z_95,
    PairedCounts,
    clustered_rate,
    count_pairs,
    holm,
    rate,
    wilson_interval,
)
from holdfast.outcomes import Outcome, Rate

UNSAFE, SAFE = Outcome("unsafe"), Outcome("safe")


def rate_of(count: int, n: int) -> Rate:
    return rate([UNSAFE] * count + [SAFE] * (n - count), "unsafe")


def test_eight_of_ten_has_the_worked_interval():
    # z^2 = 3.8415; centre = (0.8 + 3.8415 / 20) / (1 + 0.38415) = 0.71674;
    # half = 1.95996 sqrt(0.16 / 10 + 3.8415 / 400) / 1.38415 = 0.22658. Brown, Cai and DasGupta print [0.490, 0.943].
    assert wilson_interval(0.8, 10) == pytest.approx((0.71674 - 0.22658, 0.71674 + 0.22658), abs=2e-5)


def test_all_equal_outcomes_still_have_an_interval():
    # At p = 0 both terms are z^2 / 2n: the upper end is z^2 / (n + z^2).
    none, every = rate_of(0, 20), rate_of(20, 20)
    assert (none.value, none.low, none.high) == (0.0, 0.0, pytest.approx(Z_95**2 / (20 + Z_95**2)))
    assert (every.value, every.low, every.high) == (1.0, pytest.approx(20 / (20 + Z_95**2)), 1.0)


def test_unscored_outcomes_are_left_out_and_counted():
    found = rate([UNSAFE, SAFE, Outcome.unscored("no verdict"), SAFE, SAFE], "unsafe")
    assert (found.value, found.n, found.unscored) == (0.25, 4, 1)


@pytest.mark.parametrize("outcomes", [[], [Outcome.unscored("down")] * 3])
def test_nothing_scored_has_no_value(outcomes):
    assert rate(outcomes, "unsafe") == Rate(None, None, None, 0, len(outcomes))


def coverage(n, share):
    """The chance that the interval of a sample of n holds the true share: a sum over all counts, no simulation."""
    intervals = {count: wilson_interval(count / n, n) for count in range(n + 1)}
    return sum(binom.pmf(count, n, share) for count, (low, high) in intervals.items() if low <= share <= high)


@pytest.mark.parametrize(
    ("n", "share", "exact"),
    [
        (50, 0.01, 0.9106),
        (50, 0.1, 0.9703),
        (50, 0.5, 0.9351),
        (200, 0.01, 0.9483),
        (200, 0.1, 0.9561),
        (200, 0.5, 0.9440),
        (1000, 0.01, 0.9635),
        (1000, 0.1, 0.9491),
        (1000, 0.5, 0.9463),
    ],
)
def test_the_interval_has_its_exact_coverage(n, share, exact):
    assert coverage(n, share) == pytest.approx(exact, abs=5e-5)  # four decimals are given


def test_no_interval_covers_one_in_a_hundred_of_fifty_prompts_to_95_percent():
    # The counts whose interval holds 0.01 are neighbours; without 0 among them at most 1 - 0.605 is covered.
    from_none = [float(binom.cdf(count, 50, 0.01)) for count in range(51)]
    assert [round(one, 3) for one in from_none[:4]] == [0.605, 0.911, 0.986, 0.998]
    assert not any(0.93 <= one <= 0.97 for one in from_none)


def test_mcnemar_has_the_worked_value():
    # 10 disagree, 2 one way: 2 (C(10,0) + C(10,1) + C(10,2)) / 2^10 = 2 * 56 / 1024.
    assert PairedCounts(both=5, only_before=2, only_after=8, neither=5).p_value == 112 / 1024


@pytest.mark.parametrize(("one_way", "other_way"), [(0, 0), (3, 3), (0, 7), (40, 12), (700, 640)])
def test_mcnemar_is_the_exact_binomial_test(one_way, other_way):
    counts = PairedCounts(1, one_way, other_way, 1)
    expected = binomtest(one_way, one_way + other_way).pvalue if one_way + other_way else 1.0
    assert counts.p_value == pytest.approx(expected, rel=1e-9)


def test_pairs_are_counted_by_cell():
    before = [True, True, True, False, False, False]
    counts = count_pairs(before, [True, False, False, True, False, False])
    assert counts == PairedCounts(both=1, only_before=2, only_after=1, neither=2)
    assert counts.difference == pytest.approx(-1 / 6)


def test_no_pairs_have_no_difference():
    assert count_pairs([], []) == PairedCounts(0, 0, 0, 0)
    assert count_pairs([], []).difference is None
    assert count_pairs([], []).p_value == 1.0


def test_holm_has_the_worked_values():
    # In rising order 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1: 0.02, 0.03, 0.06, 0.04, and none below the one before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_leaves_one_test_as_it_is_and_stays_below_one():
    assert holm([0.04]) == [0.04]
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def samples_of(*counts, size=4):
    """Outcomes of prompts of which so many of `size` samples are unsafe."""
    return [[UNSAFE] * count + [SAFE] * (size - count) for count in counts]


def test_samples_that_repeat_each_other_are_worth_one():
    # The variance of 20 prompts of which 6 are unsafe, each four times, is 0.3 * 0.7 / 20, as if each were asked once.
    found, once = clustered_rate(samples_of(*[4] * 6, *[0] * 14), "unsafe"), rate_of(6, 20)
    assert (found.value, found.n) == (0.3, 80)
    # The variance over 2,000 resamples has a relative standard error of sqrt(2 / 2000) = 0.03, the width half of that.
    assert (found.low, found.high) == pytest.approx((once.low, once.high), abs=0.02)


def test_samples_that_differ_within_every_prompt_alike_are_worth_no_more_than_as_many_prompts():
    found = clustered_rate(samples_of(*[2] * 20), "unsafe")
    assert (found.low, found.high) == wilson_interval(0.5, 80)


def test_samples_that_balance_within_every_prompt_are_worth_no_more_than_as_many_prompts():
    # Three prompts of 2 and one of 3 of 4 samples: over resampled prompts the share varies by 0.0117 / 4, less than
    # 0.246 / 16 for independent samples, so that uncapped they would be worth 84 outcomes.
    found = clustered_rate(samples_of(2, 2, 2, 3), "unsafe")
    assert (found.low, found.high) == wilson_interval(9 / 16, 16)


def test_samples_that_all_agree_have_the_interval_of_their_prompts():
    found = clustered_rate(samples_of(*[0] * 20), "unsafe")
    assert (found.value, found.high, found.n) == (0.0, rate_of(0, 20).high, 80)


def test_unscored_samples_are_left_out_and_counted():
    down = Outcome.unscored("down")
    found = clustered_rate([[UNSAFE, down], [SAFE, SAFE], [down, down]], "unsafe")
    assert (found.value, found.n, found.unscored) == (pytest.approx(1 / 3), 3, 3)
    assert clustered_rate([[down]], "unsafe") == Rate(None, None, None, 0, 1)
    assert clustered_rate([], "unsafe") == Rate(None, None, None, 0, 0)


def test_the_clustered_interval_repeats_under_its_seed_only():
    samples = samples_of(*[3, 0, 1, 4, 0] * 4)
    assert clustered_rate(samples, "unsafe", seed=1) == clustered_rate(samples, "unsafe", seed=1)
    assert clustered_rate(samples, "unsafe", seed=1) != clustered_rate(samples, "unsafe", seed=2)


def test_the_clustered_interval_covers_the_share_over_prompts():
    # A prompt's own rate is Beta(0.05, 0.45): nearly every prompt is safe or unsafe every time; the mean is 0.1.
    generator, covered, num_trials = random.Random(2), 0, 150
    for _ in range(num_trials):
        leanings = [generator.betavariate(0.05, 0.45) for _ in range(100)]
        samples = samples_of(*(sum(generator.random() < leaning for _ in range(4)) for leaning in leanings))
        found = clustered_rate(samples, "unsafe", resamples=200)
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 0.1 <= found.high
    # Standard error 0.018; were the 400 taken for independent, 1.96 would be 1.96 / sqrt(3) sigma and cover 0.74.
    assert covered / num_trials >= 0.90
