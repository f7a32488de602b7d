import pytest
from scipy.stats import t

from holdfast.student_t import chance_within, quantile, quantile_95

FREEDOMS = (1, 2, 3, 4, 5, 9, 10, 49, 500)


@pytest.mark.parametrize("freedom", FREEDOMS)
def test_the_chance_is_that_of_scipy(freedom):
    for value in (0.0, 0.3, 2.0, 40.0):
        # Both sum in float64; the sum has up to 250 terms.
        assert chance_within(value, freedom) == pytest.approx(t.cdf(value, freedom) - t.cdf(-value, freedom), abs=1e-12)


@pytest.mark.parametrize("freedom", FREEDOMS)
def test_the_quantile_is_that_of_scipy(freedom):
    # It is found by halving down to 1e-12.
    assert quantile_95(freedom) == pytest.approx(t.ppf(0.975, freedom), abs=1e-10)


@pytest.mark.parametrize("freedom", FREEDOMS)
def test_the_quantile_of_any_chance_is_that_of_scipy(freedom):
    for chance in (0.5, 0.9, 0.999):
        assert quantile(freedom, chance) == pytest.approx(t.ppf((1 + chance) / 2, freedom), rel=1e-9)
