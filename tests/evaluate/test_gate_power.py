"""A gate is wrong in at most 5% of draws, says when it cannot decide, and fails as often as its plan predicts."""

import math

import numpy as np
import pytest
from scipy.stats import binom

from holdfast.evaluate.exact_paired import LEVEL, p_above, p_below
from holdfast.evaluate.gate_power import Chances, Truth, chance_above, chances, prompts_needed, smallest_rise

DRAWS = 2000
MARGIN = 0.02


def simulated(n, truth, seed=0):
    """Shares of draws in which a gate `asr > before + 0.02` fails and passes."""
    drawn = np.random.default_rng(seed).multinomial(
        n, [truth.only_before, truth.only_after, 1 - truth.changed], size=DRAWS
    )
    tables, counts = np.unique(drawn[:, :2], axis=0, return_counts=True)
    fails, passes = (test(n, MARGIN, tables[:, 0], tables[:, 1]) <= LEVEL for test in (p_above, p_below))
    assert not (fails & passes).any()
    return Chances(counts[fails].sum() / DRAWS, counts[passes].sum() / DRAWS)


@pytest.mark.parametrize("discordance", [0.0, 0.05, 0.2])
@pytest.mark.parametrize("n", [100, 400, 1600])
def test_a_gate_is_wrong_in_at_most_5_percent_and_has_the_power_of_its_plan(n, discordance):
    for rise in (0.0, MARGIN, 0.05):
        truth = Truth.of(rise, discordance)
        found, planned = simulated(n, truth), chances(n, MARGIN, truth)
        # 5%, and three standard errors of 2,000 draws where the level is used up.
        limit = LEVEL + 3 * math.sqrt(LEVEL * (1 - LEVEL) / DRAWS) if rise == MARGIN else LEVEL
        assert rise > MARGIN or found.fails <= limit
        assert rise < MARGIN or found.passes <= limit
        assert found.fails == pytest.approx(planned.fails, abs=0.03)
        assert found.passes == pytest.approx(planned.passes, abs=0.03)


def test_100_prompts_cannot_pass_an_unchanged_model_and_1600_can():
    assert simulated(100, Truth.of(0.0, 0.0)) == Chances(0.0, 0.0)
    assert simulated(1600, Truth.of(0.0, 0.05)).passes > 0.95


def test_the_plan_without_changes_both_ways_is_a_binomial_test():
    # Only rises: fails from c on, the first number whose p is at most 5%.
    n, rise = 150, 0.06
    first = next(c for c in range(n) if p_above(n, MARGIN, np.array([0]), np.array([c]))[0] <= LEVEL)
    assert chance_above(n, MARGIN, Truth.of(rise, 0.0)) == pytest.approx(binom.sf(first - 1, n, rise), abs=1e-6)


def test_the_approximation_continues_the_exact_sum():
    truth = Truth.of(0.05, 0.15)
    assert chance_above(400, MARGIN, truth) == pytest.approx(chance_above(401, MARGIN, truth), abs=0.02)


def test_the_number_of_prompts_that_is_needed_has_the_power_and_fewer_have_not():
    truth = Truth.of(0.05, 0.02)
    needed = prompts_needed(MARGIN, truth)
    assert chance_above(needed, MARGIN, truth) >= 0.8 > chance_above(round(needed * 0.95), MARGIN, truth)
    # An unchanged model without any change passes from 0.98^n <= 5% - 0.1% on.
    assert prompts_needed(-MARGIN, Truth(0.0, 0.0)) == 150


@pytest.mark.parametrize("rise", [0.02, 0.01, -0.1])
def test_no_number_of_prompts_finds_what_is_not_there(rise):
    assert prompts_needed(MARGIN, Truth.of(rise, 0.05)) is None


def test_the_smallest_rise_that_is_found_shrinks_with_more_prompts():
    found = [smallest_rise(n, MARGIN, 0.05) for n in (50, 200, 1600)]
    assert found == sorted(found, reverse=True)
    assert chance_above(200, MARGIN, Truth.of(found[1], 0.05)) >= 0.8
    assert smallest_rise(2, MARGIN, 0.05) is None
