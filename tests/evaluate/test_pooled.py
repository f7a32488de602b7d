import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import norm

from holdfast.evaluate.pooled import interval_of_draws, pool_evaluations, pool_losses, pool_rates, shared_variance
from holdfast.evaluate.statistics import rate, wilson_interval
from holdfast.evaluate.token_losses import perplexity_rate
from holdfast.outcomes import Outcome, Rate, TokenLosses
from tests.evaluate import constructed

UNSAFE, SAFE = Outcome("unsafe"), Outcome("safe")


def rate_of(count: int, n: int) -> Rate:
    return rate([UNSAFE] * count + [SAFE] * (n - count), "unsafe")


def test_one_draw_pools_to_itself():
    assert pool_rates([rate_of(30, 200)]) == rate_of(30, 200)
    assert pool_rates([rate_of(30, 200), Rate(None, None, None, 0, 200)]) == replace(rate_of(30, 200), unscored=200)


def test_draws_that_agree_pool_to_the_interval_of_one():
    pooled = pool_rates([rate_of(30, 200)] * 5)
    assert (pooled.n, pooled.low, pooled.high) == (1000, rate_of(30, 200).low, rate_of(30, 200).high)


def test_draws_that_disagree_have_the_worked_interval():
    # Five draws of 0.1, 0.1, 0.2, 0.3, 0.3: s^2 = 0.04 / 4, S = 0.01 / 5 = 0.002, P = 0.16 / 200 = 0.0008, w = 0.002 /
    # 0.0028 = 0.71429, n = 0.16 / 0.0028 = 57.143. With t = 2.77645 for four degrees of freedom,
    # q^2 = 3.84146 + 0.71429^1.5 (7.70865 - 3.84146) = 6.17603.
    pooled = pool_rates([rate_of(count, 200) for count in (20, 20, 40, 60, 60)])
    assert (pooled.low, pooled.high) == pytest.approx(wilson_interval(0.2, 57.1429, 6.17603**0.5), abs=1e-5)


def test_two_draws_that_answer_the_same_prompts_unsafely_say_little_of_a_third():
    # One degree of freedom: t = 12.7.
    pooled = pool_rates([rate_of(20, 200), rate_of(60, 200)])
    assert pooled.high - pooled.low > 0.7


def test_pooled_unscored_draws_are_counted():
    assert pool_rates([Rate(None, None, None, 0, 7), Rate(None, None, None, 0, 7)]) == Rate(None, None, None, 0, 14)
    assert pool_rates([rate_of(10, 100), Rate(None, None, None, 0, 100)]).unscored == 100


def test_the_shared_variance_is_that_of_the_analysis_of_variance():
    generator = torch.Generator().manual_seed(0)
    leanings = torch.rand(40, 1, generator=generator)
    flags = (torch.rand(40, 4, generator=generator) < leanings).double()
    rows, columns, grand = flags.mean(1), flags.mean(0), flags.mean()
    of_prompts = 4 * (rows - grand).square().sum() / 39
    residual = (flags - rows[:, None] - columns + grand).square().sum() / (39 * 3)
    assert shared_variance(flags) == pytest.approx(float(of_prompts - residual) / 4, rel=1e-12)


def test_draws_that_contradict_each_other_on_every_prompt_share_no_variance():
    flags = torch.tensor([[0.0, 1.0], [1.0, 0.0]] * 10)
    assert shared_variance(flags) == 0.0


def drawn(kinds, share, spread, draws, n, trials, generator):
    """Rates of the draws and the variance over prompts that they share, of `trials` experiments.

    A response is unsafe where the prompt's leaning, the draw's effect and chance, all normal, add up to more than a
    threshold; chance has a standard deviation of 1 (0.1 where prompts are paired).
    """
    of_prompts, chance = {"binomial": (0.0, 1.0), "mixed": (1.0, 1.0), "paired": (1.0, 0.1)}[kinds]
    threshold = -norm.ppf(share) * (of_prompts**2 + spread**2 + chance**2) ** 0.5
    flags = generator.standard_normal((trials, n, draws), dtype=np.float32) * chance
    flags += generator.standard_normal((trials, n, 1), dtype=np.float32) * of_prompts
    flags += generator.standard_normal((trials, 1, draws), dtype=np.float32) * spread
    flags = (flags > threshold).astype(np.float32)
    rates, rows = flags.mean(1), flags.mean(2)
    # The mean covariance of two draws, from the variance of the prompts' means, of which it is a part.
    within = rates * (1 - rates) * n / (n - 1)
    shared = (draws**2 * rows.var(1, ddof=1) - within.sum(1)) / (draws * (draws - 1))
    return rates.astype(float).tolist(), np.maximum(shared, 0).tolist()


TRIALS, PROMPTS = 400, 100
KINDS = ("binomial", "mixed", "paired")


def coverage(share, spread, draws, seed=0):
    """Of prompts that decide nothing, half and nearly all: how often the interval holds the true share."""
    generator, covered = np.random.default_rng(seed), []
    for kind in KINDS:
        rates, shared = drawn(kind, share, spread, draws, PROMPTS, TRIALS, generator)
        intervals = [interval_of_draws(one, PROMPTS, other) for one, other in zip(rates, shared, strict=True)]
        covered += [low <= share <= high for low, high in intervals]
    return sum(covered) / len(covered)


# 1,200 experiments a cell: the standard error of a coverage of 0.95 is 0.0063, so 0.015 is 2.4 of them.
@pytest.mark.parametrize("draws", [2, 3, 5, 10])
def test_the_interval_of_draws_covers_the_mean_over_prompts_and_draws(draws):
    cells = {(share, spread): coverage(share, spread, draws) for share in (0.3, 0.5) for spread in (0.0, 0.2, 0.5)}
    assert all(0.93 - 0.015 <= found <= 0.97 + 0.015 for found in cells.values()), cells
    assert 0.93 <= sum(cells.values()) / len(cells) <= 0.97  # 7,200 experiments: 0.0026


@pytest.mark.parametrize("draws", [2, 3, 5, 10])
def test_near_none_and_all_the_interval_of_draws_is_no_narrower(draws):
    # Wilson's own interval covers more than 0.95 there, and 12.7 in place of 1.96 makes it wider still.
    cells = {(share, spread): coverage(share, spread, draws) for share in (0.05, 0.95) for spread in (0.0, 0.2, 0.5)}
    assert all(found >= 0.93 - 0.015 for found in cells.values()), cells


def harmful(flags):
    return constructed.evaluation(constructed.answers("asr", flags), made_by={})


def test_draws_on_which_the_same_prompts_fall_have_the_interval_of_the_prompts():
    # A third of 60 prompts in both draws, the same ones or others: the rates are equal, what they are worth is not.
    same = pool_evaluations([harmful([True, False, False] * 20)] * 2).asr
    other = pool_evaluations([harmful([True, False, False] * 20), harmful([False, True, False] * 20)]).asr
    assert (same.value, same.n) == (other.value, other.n) == (pytest.approx(1 / 3), 120)
    # The covariance of a column with itself is its variance with n - 1, so n in effect is 59.
    assert (same.low, same.high) == pytest.approx(wilson_interval(1 / 3, 59))
    assert other.high - other.low <= same.high - same.low


def test_a_prompt_that_one_draw_leaves_unscored_counts_in_its_rate_only():
    pooled = pool_evaluations([harmful([True, None, False, False]), harmful([True, True, False, False])]).asr
    assert (pooled.value, pooled.n, pooled.unscored) == (pytest.approx((1 / 3 + 1 / 2) / 2), 7, 1)


def losses(*values, tokens=10):
    return [TokenLosses(str(place), value, tokens) for place, value in enumerate(values)]


def test_perplexities_of_draws_pool_to_that_of_their_mean_loss():
    # L = 1 and 2; their mean is 1.5. Exchanges differ by 0.5 in their mean losses: e = +-2.5, v = 2 * 12.5 / 400.
    pooled = pool_losses([losses(8.0, 12.0), losses(17.0, 23.0)])
    assert (pooled.value, pooled.n) == (pytest.approx(math.exp(1.5)), 2)
    total, weight = 0.0625 + 0.25, (0.25 / 0.3125) ** 1.5
    assert weight < 1, "and both quantiles are of one degree of freedom"
    assert math.log(pooled.high) == pytest.approx(1.5 + 12.7062 * total**0.5, rel=1e-5)
    assert pooled.low == 1.0, "though exp(1.5 - 12.7062 * 0.56) is less, because no perplexity is"


def test_perplexities_of_draws_that_agree_are_those_of_one():
    one = losses(8.0, 12.0, 9.0)
    assert pool_losses([one]) == perplexity_rate(one)
    same, alone = pool_losses([one] * 3), perplexity_rate(one)
    assert (same.low, same.high) == pytest.approx((alone.low, alone.high))


@pytest.mark.parametrize("other", [losses(8.0, math.nan), losses(8.0, 9.0, tokens=11), []])
def test_draws_without_a_perplexity_or_of_other_exchanges_pool_to_none(other):
    assert pool_losses([losses(8.0, 9.0), other]) is None


def test_pooled_evaluations_have_the_perplexity_of_each_set_of_responses():
    refusals = tuple(replace(one, group="refusals") for one in losses(20.0, 30.0))
    one = replace(harmful([True, False]), losses=(*losses(8.0, 12.0), *refusals))
    one = replace(one, groups={"perplexity/refusals": perplexity_rate(refusals)})
    pooled = pool_evaluations([one, one])
    assert pooled.perplexity == pooled.perplexity_rate.value == pytest.approx(math.e)
    assert pooled.groups["perplexity/refusals"].value == pytest.approx(math.exp(2.5))
