import pytest

from holdfast.differences import paired_difference, rate_difference
from holdfast.outcomes import Rate


def test_a_paired_difference_by_hand():
    # n=98, b=4, c=14: p=0.05, q=0.15, q-p=0.1, half = 1.96 sqrt((0.2 - 0.01) / 100) = 0.0854.
    change = paired_difference(98, 4, 14)
    assert change.value == pytest.approx(10 / 98)
    assert change.interval == pytest.approx((0.1 - 0.08543, 0.1 + 0.08543), abs=1e-5)
    assert str(change) == "+0.102 [+0.015, +0.185]"


@pytest.mark.parametrize(("n", "before", "after"), [(10, 0, 10), (10, 10, 0), (1, 0, 0), (512, 0, 0), (512, 3, 4)])
def test_a_paired_interval_holds_its_difference_and_no_impossible_one(n, before, after):
    change = paired_difference(n, before, after)
    assert -1 <= change.low < change.value + 1e-12
    assert change.value - 1e-12 < change.high <= 1
    assert change.low < change.high


def test_nothing_that_changed_is_no_certainty():
    # p = q = 1/514: half = 1.96 sqrt(2/514/514) = 0.0054.
    assert paired_difference(512, 0, 0).interval == pytest.approx((-0.00539, 0.00539), abs=1e-5)
    assert paired_difference(0, 0, 0) is None


def test_newcombes_example_of_two_independent_rates():
    # Newcombe 1998, table II (a): 56/70 - 48/80 = 0.2, method 10: 0.0524 to 0.3339.
    wilson = {"before": Rate(0.6, 0.4904, 0.7003, 80), "after": Rate(0.8, 0.6918, 0.8770, 70)}
    assert rate_difference(**wilson).interval == pytest.approx((0.0524, 0.3339), abs=2e-4)


def test_a_rate_against_half_of_another():
    change = rate_difference(Rate(0.8, 0.7, 0.9, 100), Rate(0.3, 0.2, 0.4, 100), factor=0.5)
    # 0.3 - 0.4 -+ sqrt(0.1^2 + 0.05^2)
    assert change.interval == pytest.approx((-0.1 - 0.1118, -0.1 + 0.1118), abs=1e-4)


def test_a_rate_that_was_not_measured_has_no_difference():
    assert rate_difference(Rate(None, None, None, 0), Rate(0.3, 0.2, 0.4, 100)) is None
