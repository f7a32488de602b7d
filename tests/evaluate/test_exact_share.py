import pytest
from scipy.stats import binomtest

from holdfast.evaluate.exact_share import bounds, p_above, p_below


@pytest.mark.parametrize(("counted", "n", "bar"), [(0, 20, 0.1), (3, 50, 0.02), (24, 200, 0.1), (200, 200, 0.99)])
def test_p_and_bounds_are_scipys(counted, n, bar):
    # Both sum in float64.
    greater, less = (binomtest(counted, n, bar, alternative) for alternative in ("greater", "less"))
    assert p_above(n, bar, counted) == pytest.approx(greater.pvalue, abs=1e-12)
    assert p_below(n, bar, counted) == pytest.approx(less.pvalue, abs=1e-12)
    low, high = bounds(n, counted)
    assert low == pytest.approx(greater.proportion_ci(0.95, method="exact").low, abs=1e-9)
    assert high == pytest.approx(less.proportion_ci(0.95, method="exact").high, abs=1e-9)


def test_a_bar_outside_of_all_shares_is_decided():
    assert (p_above(20, 1.5, 20), p_below(20, 1.5, 19)) == pytest.approx((1.0, 0.0))
    assert p_above(20, 0.0, 1) == pytest.approx(0.0), "one response that counts shows more than none"
    assert p_below(20, 1.0, 19) == pytest.approx(0.0)
