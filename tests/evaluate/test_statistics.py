import math
import random

import pytest
from scipy.stats import binomtest

from holdfast.evaluate.statistics import Z_95, PairedCounts, count_pairs, pool_rates, rate, wilson_interval
from holdfast.values import Outcome, Rate

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


@pytest.mark.parametrize(("share", "n"), [(0.1, 50), (0.5, 50), (0.1, 200), (0.5, 200)])
def test_interval_covers_the_truth_in_95_of_100_samples(share, n):
    # 4,000 samples: the standard error of a coverage of 0.95 is 0.0034; Wilson's own coverage here is 0.935 to 0.970.
    generator = random.Random(0)
    covered = 0
    for _ in range(4000):
        low, high = wilson_interval(sum(generator.random() < share for _ in range(n)) / n, n)
        covered += low <= share <= high
    assert 0.925 <= covered / 4000 <= 0.98


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


def test_one_draw_pools_to_itself():
    assert pool_rates([rate_of(30, 200)]) == rate_of(30, 200)


def test_draws_that_agree_pool_to_the_interval_of_one():
    pooled = pool_rates([rate_of(30, 200)] * 5)
    assert (pooled.n, pooled.low, pooled.high) == (1000, rate_of(30, 200).low, rate_of(30, 200).high)


def test_draws_that_disagree_widen_the_interval():
    # Five draws of 0.1 and 0.3 about 0.2: s^2 = 0.04 / 4, v = 0.16 / 200 + 0.01 / 5 = 0.0028, n = 0.16 / 0.0028.
    pooled = pool_rates([rate_of(count, 200) for count in (20, 20, 40, 60, 60)])
    assert (pooled.low, pooled.high) == pytest.approx(wilson_interval(0.2, 0.16 / 0.0028))


def test_pooled_unscored_draws_are_counted():
    assert pool_rates([Rate(None, None, None, 0, 7), Rate(None, None, None, 0, 7)]) == Rate(None, None, None, 0, 14)
    assert pool_rates([rate_of(10, 100), Rate(None, None, None, 0, 100)]).unscored == 100


def test_pooled_interval_covers_the_mean_over_prompts_and_draws():
    # A prompt falls when its own leaning plus the draw's is above 0: both are sampled anew in every trial.
    generator, covered, num_trials = random.Random(1), 0, 400
    truth = 0.5 * math.erfc(1 / math.sqrt(1.25) / math.sqrt(2))  # P[N(-1, 1 + 0.5^2) > 0]
    for _ in range(num_trials):
        prompts = [generator.gauss(-1, 1) for _ in range(100)]
        effects = [generator.gauss(0, 0.5) for _ in range(5)]
        pooled = pool_rates([rate_of(sum(prompt + effect > 0 for prompt in prompts), 100) for effect in effects])
        assert pooled.low is not None
        assert pooled.high is not None
        covered += pooled.low <= truth <= pooled.high
    # Standard error 0.011. Five draws say little of their own variance, so the coverage may fall short of 0.95.
    assert covered / num_trials >= 0.90
