import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm, t

from holdfast.differences import paired_difference
from holdfast.evaluate.contrast import contrast
from holdfast.evaluate.token_losses import perplexity_ratio
from holdfast.outcomes import TokenLosses
from tests.evaluate.constructed import answers, evaluation, first


def harmful(*draws):
    return [evaluation(answers("asr", flags)) for flags in draws]


def with_losses(*draws, group=None):
    empty = evaluation(answers("asr", [True, False]))
    made = [tuple(TokenLosses(str(at), loss, 10, group) for at, loss in enumerate(losses)) for losses in draws]
    return [replace(empty, losses=losses) for losses in made]


def test_one_draw_of_each_has_the_paired_interval_of_two_checkpoints():
    found = contrast(harmful([True] * 6 + [False] * 4), harmful([False] * 5 + [True] + [False] * 4))["asr"]
    other = paired_difference(10, 0, 5)
    assert (found.value, found.low, found.high, found.n) == (0.5, *map(pytest.approx, other.interval), 10)
    assert found.p_value < 0.05


def test_draws_have_the_worked_interval():
    # Two prompts of four fall in both draws of the mask, a third in one, none under the control: d = 1, 1, 1/2, 0.
    # c = 2.5 / 6, P = ((1 + 1 + 1/4 + 2) / 6 - c^2) / 6, s^2 of the mask's rates 3/4 and 1/2 is 1/32, S = 1/64.
    mask = harmful([True, True, True, False], [True, True, False, False])
    found = contrast(mask, harmful([False] * 4, [False] * 4))["asr"]
    centre = 2.5 / 6
    of_prompts, of_draws = (4.25 / 6 - centre**2) / 6, 1 / 64
    error, weight = math.sqrt(of_prompts + of_draws), of_draws / (of_prompts + of_draws)
    p_value = 2 * ((1 - weight) * norm.sf(centre / error) + weight * t.sf(centre / error, 1))
    assert (found.value, found.n) == (0.625, 4)
    assert found.p_value == pytest.approx(p_value, rel=1e-9)
    times = (centre - found.low) / error
    assert (1 - weight) * 2 * norm.sf(times) + weight * 2 * t.sf(times, 1) == pytest.approx(0.05, abs=1e-8)


def test_the_same_draws_on_both_sides_do_not_differ():
    same = harmful(first(3, 8), first(5, 8))
    found = contrast(same, same)["asr"]
    assert (found.value, found.p_value) == (0.0, 1.0)
    assert found.low == pytest.approx(-found.high)


def test_a_perplexity_of_one_draw_is_compared_as_two_checkpoints_are():
    mask, control = with_losses([9.0, 14.0, 12.0, 10.0]), with_losses([5.0, 9.0, 8.0, 6.5])
    found = contrast(mask, control)["perplexity"]
    other = perplexity_ratio(control[0].losses, mask[0].losses)
    assert (found.value, found.n) == (pytest.approx(other.value), 4)
    assert (found.low, found.high) == pytest.approx((other.low, other.high), rel=1e-6)
    assert found.p_value == pytest.approx(other.p_value, rel=1e-6)


def test_a_perplexity_of_draws_that_differ_has_a_wider_interval():
    alike = contrast(with_losses([9.0, 14.0], [9.0, 14.0]), with_losses([5.0, 9.0], [5.0, 9.0]))["perplexity"]
    apart = contrast(with_losses([8.0, 13.0], [10.0, 15.0]), with_losses([5.0, 9.0], [5.0, 9.0]))["perplexity"]
    assert apart.value == pytest.approx(alike.value)
    assert apart.high > alike.high


def test_refusals_and_harmless_exchanges_are_compared_apart():
    found = contrast(with_losses([9.0, 14.0], group="refusals"), with_losses([5.0, 9.0], group="refusals"))
    assert [name for name in found if name.startswith("perplexity")] == ["perplexity/refusals"]


def test_a_prompt_that_one_draw_leaves_unscored_is_left_out():
    found = contrast(harmful([True, None, True]), harmful([False, True, False]))["asr"]
    assert (found.value, found.n) == (1.0, 2)


def test_without_draws_of_one_side_nothing_is_compared():
    with pytest.raises(ValueError, match="at least one draw of noise on the mask and one on the control"):
        contrast(harmful([True]), [])


@pytest.mark.parametrize("draws", [2, pytest.param(5, marks=pytest.mark.slow)])
def test_the_interval_covers_a_difference_over_other_prompts_and_draws(draws):
    # Prompts lean, draws shift all prompts; the mask's noise shifts them by 0.8 more. 400 experiments: standard error
    # 0.011 at 0.95. The intervals are wide on purpose: they cover at least 0.95 here.
    generator, covered = np.random.default_rng(0), 0
    scale, prompts = (1 + 0.5**2 + 0.5**2) ** 0.5, 24
    true = norm.sf(-0.8 / scale) - 0.5
    for _ in range(400):
        leaning = generator.standard_normal(prompts)
        sides = []
        for shift in (0.8, 0.0):
            noise = 0.5 * generator.standard_normal((draws, prompts)) + 0.5 * generator.standard_normal((draws, 1))
            sides.append(harmful(*(leaning + noise + shift > 0).tolist()))
        found = contrast(*sides)["asr"]
        covered += found.low <= true <= found.high
    assert covered / 400 >= 0.95 - 2 * 0.011
