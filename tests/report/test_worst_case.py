import pytest

from holdfast.differences import paired_difference, rate_difference
from holdfast.evaluate.pooled import pool_rates
from holdfast.evaluate.statistics import wilson_interval
from holdfast.outcomes import Rate
from holdfast.report.records import Pair
from holdfast.report.worst_case import filled, worst_difference
from tests.report.sample import rate


@pytest.mark.parametrize(
    ("count", "counts", "share"), [(10, False, 10 / 50), (10, True, 20 / 50), (36, True, 46 / 50), (40, False, 40 / 50)]
)
def test_unscored_answers_move_the_share_and_do_not_narrow_its_interval(count, counts, share):
    found = filled(rate(count, 40, unscored=10), counts=counts)
    assert (found.value, found.n, found.unscored) == (pytest.approx(share), 50, 0)
    assert (found.low, found.high) == pytest.approx(wilson_interval(share, 40))


def test_a_rate_over_draws_keeps_the_width_of_its_draws():
    draws = pool_rates([rate(20, 100), rate(60, 100), rate(40, 100)])
    found = filled(Rate(draws.value, draws.low, draws.high, 300, 100), counts=False)
    assert found.value == pytest.approx(0.3)  # 120 of 400
    assert found.high - found.low > 0.3, "the draws are far apart, though there are 400 answers"
    assert filled(draws, counts=True) == draws


def test_without_lost_answers_there_is_no_worst_case():
    assert worst_difference(rate(5, 40), rate(9, 40), "below") is None


def test_what_counts_against_a_claim_depends_on_its_side():
    before, after = rate(20, 90, unscored=10), rate(30, 80, unscored=20)
    rises, falls = worst_difference(before, after, "below"), worst_difference(before, after, "above")
    assert rises.value == pytest.approx(50 / 100 - 20 / 100)
    assert falls.value == pytest.approx(30 / 100 - 30 / 100)
    half = worst_difference(before, after, "below", factor=0.5)
    assert half.value == pytest.approx(50 / 100 - 0.5 * 20 / 100)


def test_pairs_without_a_verdict_join_those_that_have_both():
    # 2 of 100 unsafe before, 5 of 96 after, and 4 without a verdict: 9 of 100 at worst, a change of 7.
    found = worst_difference(rate(2, 100), rate(5, 96, unscored=4), "below", Pair(96, 1, 4, None, 1.0))
    assert found == paired_difference(100, 1, 8)
    # At worst 9 of 100, which is 2 more than before: the other two without a verdict were unsafe before, too.
    found = worst_difference(rate(7, 100), rate(5, 96, unscored=4), "below", Pair(96, 0, 0, None, 1.0))
    assert found == paired_difference(100, 0, 2)


def test_pairs_of_fewer_prompts_than_answers_are_not_used():
    before, after = rate(2, 100), rate(5, 190, unscored=10)  # two answers to each prompt
    found = worst_difference(before, after, "below", Pair(95, 1, 4, None, 1.0))
    assert found == rate_difference(before, filled(after, counts=True))


def test_an_interval_that_was_widened_to_an_end_of_the_scale_stays_as_wide_as_it_can_be():
    found = filled(Rate(0.75, 0.0, 1.0, 3, 1), counts=False)
    assert (found.value, found.low, found.high, found.n) == (0.5625, 0.0, 1.0, 4)
