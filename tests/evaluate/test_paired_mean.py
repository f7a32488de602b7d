import math

import numpy
import pytest
from scipy import stats

from holdfast.evaluate.paired_mean import mean_rate, paired_mean


@pytest.mark.parametrize("n", [2, 3, 12, 400])
def test_the_paired_t_test_is_scipys(n):
    drawn = numpy.random.default_rng(n)
    before = drawn.random(n)
    after = before + drawn.normal(0.05, 0.2, n)
    found = paired_mean(before.tolist(), after.tolist())
    assert found
    theirs = stats.ttest_rel(after, before)
    interval = theirs.confidence_interval(0.95)
    # Both sum a few hundred numbers in double precision.
    assert found.p_value == pytest.approx(theirs.pvalue, rel=1e-9)
    assert (found.value, found.n) == (pytest.approx(numpy.mean(after - before), rel=1e-12), n)
    assert (found.low, found.high) == (pytest.approx(interval.low, rel=1e-9), pytest.approx(interval.high, rel=1e-9))


def test_equal_numbers_have_p_1_and_an_equal_shift_p_0():
    assert paired_mean([0.5, 0.25, 1.0], [0.5, 0.25, 1.0]).p_value == 1
    shifted = paired_mean([0.5, 0.25, 1.0], [0.25, 0.0, 0.75])
    assert (shifted.value, shifted.p_value) == (-0.25, 0)


def test_one_sample_has_no_test_and_no_interval():
    assert paired_mean([0.5], [0.25]) is None
    assert paired_mean([], []) is None
    alone, none = mean_rate([0.5]), mean_rate([], unscored=2)
    assert (alone.value, alone.low, alone.high, alone.n) == (0.5, None, None, 1)
    assert (none.value, none.n, none.unscored) == (None, 0, 2)


def test_the_interval_of_a_mean_is_students():
    # Mean 0.5, standard deviation sqrt(0.5^2 + 0 + 0.5^2) / sqrt(2) = 0.5, quantile for 2 degrees of freedom 4.303.
    half = 4.302652729911275 * 0.5 / math.sqrt(3)
    found = mean_rate([0.0, 0.5, 1.0])
    assert (found.low, found.high) == (pytest.approx(0.5 - half), pytest.approx(0.5 + half))
