import math

import numpy as np
import pytest
from scipy.stats import norm, t

from holdfast.evaluate.condition import parse_condition
from holdfast.evaluate.evidence import Interval, Mean, PairedShares, Share
from holdfast.evaluate.gate_power import smallest_rise
from holdfast.plan.gate import plan_condition


def test_a_change_of_a_share_is_tested_by_the_exact_paired_test():
    found = PairedShares(200, 0, 24)
    assert found.value == 0.12
    assert found.bounds == pytest.approx((0.084, 0.165), abs=0.001)
    assert found.p_value(0.08, above=True) < 0.05 < found.p_value(0.09, above=True)
    assert found.p_value(0.17, above=False) < 0.05 < found.p_value(0.16, above=False)
    assert (found.p_value(1.0, above=True), found.p_value(1.0, above=False)) == (1.0, 0.0)
    assert (found.p_value(-1.0, above=True), found.p_value(-1.0, above=False)) == (0.0, 1.0)


def test_a_fall_is_a_rise_turned_round():
    rise, fall = PairedShares(200, 3, 12), PairedShares(200, 12, 3)
    assert fall.bounds == pytest.approx([-end for end in reversed(rise.bounds)])
    assert fall.needed(-0.02, above=False) == rise.needed(0.02, above=True)
    assert fall.smallest(-0.02, above=False) == pytest.approx(-rise.smallest(0.02, above=True))


def test_without_a_change_150_prompts_show_a_rise_below_2_points():
    # 2,000 prompts without a change leave at most 1 - 0.05^(1/2000) = 0.0015 that change, too few to matter for 150.
    assert PairedShares(2000, 0, 0).discordance == pytest.approx(0.0015, abs=0.0001)
    assert PairedShares(2000, 0, 0).needed(0.02, above=False) == 150
    assert PairedShares(100, 0, 0).needed(0.0, above=True) is None


def test_few_prompts_without_a_change_need_as_many_as_the_plan_of_a_gate_says():
    few = PairedShares(16, 0, 0)
    assert (
        few.needed(0.05, above=False)
        == plan_condition(parse_condition("asr > before + 0.05"), prompts=()).to_pass
        == 158
    )
    assert few.smallest(0.05, above=True) == smallest_rise(16, 0.05, 0.05)


def test_changes_that_cancel_out_count_as_measured_where_there_are_many():
    assert PairedShares(200, 12, 8).discordance == 0.08  # 8 each way
    assert PairedShares(16, 16, 0).discordance == 0.0  # all of them changed one way, so none is left


def test_a_share_of_responses_is_tested_by_the_binomial_test():
    found = Share(200, 24)
    assert found.bounds == pytest.approx((0.0841, 0.1646), abs=0.0002)  # scipy's, in test_exact_share.py
    assert found.p_value(0.08, above=True) < 0.05 < found.p_value(0.1, above=True)
    # n = ((1.645 sqrt(0.1 0.9) + 0.8416 sqrt(0.12 0.88)) / 0.02)^2 = 1,471
    assert found.needed(0.1, above=True) == pytest.approx(1471, abs=1)
    assert found.needed(0.2, above=True) is None
    smallest = found.smallest(0.1, above=True)
    assert (
        Share(200, 24).needed(0.1, above=True) > 200 > Share(1000, round(1000 * smallest) + 2).needed(0.1, above=True)
    )


def test_a_mean_is_tested_with_the_variance_that_the_bar_would_add():
    # 40 prompts without a change: T = -bar / sqrt(bar (1 - bar) / 40), t with 10 degrees of freedom.
    found = Mean(np.zeros(40))
    expected = t.sf(math.sqrt(40 * 0.1 / 0.9), 10)
    assert found.p_value(0.1, above=False) == pytest.approx(expected, abs=1e-9)
    assert found.p_value(0.0, above=True) == pytest.approx(0.5)
    low, high = found.bounds
    assert (low, high) == pytest.approx((-high, 3.285 / (40 + 3.285)), abs=0.001)  # 1.812^2 = 3.285


def test_a_mean_is_wrong_in_at_most_5_percent_of_draws_also_if_few_prompts_differ():
    generator = np.random.default_rng(0)
    for share, n in ((0.02, 100), (0.1, 60), (0.5, 200)):
        drawn = (generator.random((1500, n)) < share) * generator.choice([0.2, 0.6, 1.0], (1500, n))
        true = share * 0.6
        for above in (True, False):
            wrong = np.mean([Mean(values).p_value(true, above=above) <= 0.05 for values in drawn])
            assert wrong <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 1500)


def test_an_interval_is_tested_by_its_own_errors_to_either_side():
    found = Interval(0.5, 0.5 - 1.959964 * 0.1, 0.5 + 1.959964 * 0.2, 100)
    assert found.bounds == pytest.approx((0.5 - 1.644854 * 0.1, 0.5 + 1.644854 * 0.2))
    assert found.p_value(0.3, above=True) == pytest.approx(norm.sf(2))
    assert found.p_value(0.9, above=False) == pytest.approx(norm.sf(2))
    # (1.645 + 0.842)^2 0.1^2 / 0.2^2 = 1.546 times as many.
    assert found.needed(0.3, above=True) == 155
    assert found.smallest(0.3, above=True) == pytest.approx(0.3 + 2.4865 * 0.1, abs=1e-4)


def test_a_ratio_is_tested_by_its_logarithm():
    half = t.ppf(0.975, 9) * 0.05
    found = Interval(1.2, 1.2 * math.exp(-half), 1.2 * math.exp(half), 10, 9, scale="times", is_log=True)
    assert found.p_value(1.1, above=True) == pytest.approx(t.sf(math.log(1.2 / 1.1) / 0.05, 9), abs=1e-9)
    assert found.bounds[1] == pytest.approx(1.2 * math.exp(t.ppf(0.95, 9) * 0.05))
    assert (found.p_value(-1.0, above=True), found.p_value(0.0, above=False)) == (0.0, 1.0)
    assert found.needed(0.0, above=True) is None
