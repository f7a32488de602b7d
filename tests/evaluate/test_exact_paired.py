"""The exact paired test is wrong in at most 5% of cases, and meets tests and intervals that are known."""

import math

import numpy as np
import pytest
from scipy.stats import binom, multinomial, norm

from holdfast.evaluate.exact_paired import FINE_GAMMA, GAMMA, bounds, p_above, p_below, score


def tables(n):
    """All counts of prompts that count only before, and only after, of n prompts."""
    before, after = np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij")
    possible = before + after <= n
    return before[possible], after[possible]


def chances(n, before, after, p_before, p_after):
    counts = np.stack([before, after, n - before - after], axis=1)
    return multinomial(n, [p_before, p_after, 1 - p_before - p_after]).pmf(counts)


def test_the_score_of_a_margin_of_zero_is_mcnemars():
    before, after = np.array([4, 0, 10]), np.array([9, 4, 10])
    assert score(200, 0.0, before, after) == pytest.approx([5 / math.sqrt(13), 2.0, 0.0])


def test_the_score_without_changes_is_that_of_one_share():
    # With b = c = 0 the most likely psi is the margin: T = -n m / sqrt(n m (1 - m)).
    assert score(100, 0.02, np.array([0]), np.array([0])) == pytest.approx([-math.sqrt(100 * 0.02 / 0.98)])


def test_before_and_after_exchanged_turn_the_score():
    before, after = tables(12)
    assert score(12, -0.1, before, after) == pytest.approx(-score(12, 0.1, after, before))


def test_without_any_change_p_is_the_chance_that_no_prompt_rises():
    # If the rise were 0.02 or more, no prompt of n would change with a chance of at most 0.98^n: 0.0492 at 149.
    for n in (100, 149, 200):
        (p_value,) = p_below(n, 0.02, np.array([0]), np.array([0]))
        # A table with one rise and more falls is as extreme: it adds up to 0.001 at 200.
        assert 0.98**n + GAMMA - 1e-6 <= p_value <= 0.98**n + GAMMA + 0.0011


def test_few_changes_decide_against_a_large_margin_either_way():
    none = np.array([0])
    assert (p_above(1600, 0.1, none, none)[0], p_below(1600, 0.1, none, none)[0]) == (1.0, FINE_GAMMA)
    assert (p_above(1600, -0.1, none, none)[0], p_below(1600, -0.1, none, none)[0]) == (FINE_GAMMA, 1.0)


def test_p_is_the_largest_chance_of_a_score_as_large():
    # The sum over all tables, by scipy, over a finer grid of psi than ours and without ruling any out.
    n, margin = 30, 0.05
    before, after = tables(n)
    scores = score(n, margin, before, after)
    for b, c in ((0, 5), (2, 8), (1, 1)):
        (at,) = score(n, margin, np.array([b]), np.array([c]))
        every = [
            chances(n, before, after, (psi - margin) / 2, (psi + margin) / 2)[scores >= at - 1e-9].sum()
            for psi in np.linspace(margin, 1, 1500)
        ]
        (p_value,) = p_above(n, margin, np.array([b]), np.array([c]))
        assert p_value <= max(every) + GAMMA + 1e-9
        near = [
            chance for chance, psi in zip(every, np.linspace(margin, 1, 1500), strict=True) if psi < (b + c) / n + 0.1
        ]
        assert p_value >= max(near[40:]) - 0.002


@pytest.mark.parametrize("margin", [0.0, 0.02, 0.1, -0.05])
@pytest.mark.parametrize("n", [10, 60])
def test_it_is_wrong_in_at_most_5_percent_whatever_share_of_prompts_changes(n, margin):
    before, after = tables(n)
    rejected = p_above(n, margin, before, after) <= 0.05
    shares = np.concatenate([np.linspace(abs(margin), 1, 60), abs(margin) + np.linspace(0, 0.1, 30)])
    worst = max(
        chances(n, before, after, (share - margin) / 2, (share + margin) / 2)[rejected].sum() for share in shares
    )
    assert 0.02 < worst <= 0.05


@pytest.mark.parametrize("level", [0.01, 0.002, 0.001, 1e-4])
@pytest.mark.parametrize("margin", [0.0, 0.05])
def test_small_p_values_are_wrong_as_seldom_as_they_say(level, margin):
    n = 40
    before, after = tables(n)
    rejected = p_above(n, margin, before, after) <= level
    assert rejected.any()
    shares = np.concatenate([np.linspace(margin, 1, 60), margin + np.linspace(0, 0.1, 30)])
    worst = max(
        chances(n, before, after, (share - margin) / 2, (share + margin) / 2)[rejected].sum() for share in shares
    )
    assert worst <= level + 1e-8


def test_a_level_that_needs_no_finer_p_decides_the_same_tables():
    before, after = tables(30)
    coarse, fine = p_above(30, 0.05, before, after, level=0.05), p_above(30, 0.05, before, after)
    assert ((coarse <= 0.05) == (fine <= 0.05)).all()
    assert (fine <= coarse).all() or (fine[fine > coarse] <= 0.002).all()


def test_many_conditions_can_be_met_by_a_large_change():
    # 300 of 300 prompts lost: Holm for 1,000 conditions asks for 0.00005, and for 0.001 in 50.
    (p_value,) = p_below(300, -0.05, np.array([300]), np.array([0]))
    assert p_value == pytest.approx(FINE_GAMMA, rel=0.01)


def test_it_is_wrong_less_often_if_the_rise_is_below_the_margin():
    n, margin = 40, 0.1
    before, after = tables(n)
    rejected = p_above(n, margin, before, after) <= 0.05
    for rise in (0.05, 0.0, -0.2):
        for share in np.linspace(abs(rise), 1, 40):
            assert chances(n, before, after, (share - rise) / 2, (share + rise) / 2)[rejected].sum() <= 0.05


def test_a_larger_rise_never_has_a_larger_p():
    p_values = [p_above(50, 0.05, np.array([3]), np.array([after]))[0] for after in range(20)]
    assert p_values == sorted(p_values, reverse=True)


def test_bounds_are_those_margins_at_which_the_test_is_at_its_level():
    for n, b, c in ((200, 3, 12), (60, 0, 4), (1600, 40, 60)):
        low, high = bounds(n, b, c)
        one = np.array([b]), np.array([c])
        assert low < (c - b) / n < high
        for margin, p_value in ((low, p_above(n, low, *one)[0]), (high, p_below(n, high, *one)[0])):
            assert p_value == pytest.approx(0.05, abs=0.003), margin


def test_bounds_of_no_change_and_of_every_change():
    # No change: at most m with (1 - m)^n = 0.05 - GAMMA.
    low, high = bounds(100, 0, 0)
    assert (-low, high) == pytest.approx([1 - (0.05 - GAMMA) ** (1 / 100)] * 2, abs=2e-4)
    low, high = bounds(20, 0, 20)
    assert (round(low, 2), high) == (0.72, 1.0)


def test_mcnemars_exact_test_finds_no_more():
    # One-sided: P[Binomial(b + c, 1/2) >= c]. Where it is below 4.9% (ours adds GAMMA), ours is below 5%.
    for b, c in ((0, 5), (1, 8), (5, 15), (20, 35)):
        assert binom.sf(c - 1, b + c, 0.5) < 0.049
        assert p_above(300, 0.0, np.array([b]), np.array([c]))[0] < 0.05


def test_thousands_of_prompts_are_summed_too():
    (p_value,) = p_above(20_000, 0.02, np.array([500]), np.array([960]))
    (at,) = score(20_000, 0.02, np.array([500]), np.array([960]))
    assert p_value == pytest.approx(norm.sf(at) + GAMMA, abs=0.001), "T is nearly normal"
