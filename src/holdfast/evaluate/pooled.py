"""Mean of D draws on the same n prompts, e.g. five draws of noise, with an interval over both prompts and draws.

Prompts and draws both vary, so the D n outcomes are not independent. The variance of the mean p over prompts and draws
has two parts (crossed random effects, in the two-way analysis of variance without replicates):
    P = c / n      c = mean covariance, over the prompts, of two different draws, at least 0
    S = s^2 / D    s^2 = variance of the D rates
The interval is Wilson's at the effective n = p (1 - p) / (P + S), with q in place of z:
    q^2 = z^2 + w^1.5 (t^2 - z^2)      w = S / (P + S),  t = Student's quantile with D - 1 degrees of freedom
So q is z where the prompts cause most variance, and t where the draws do. The exponent 1.5 was chosen by simulation.
Lowest coverage with two draws:
- 0.87 with Satterthwaite's degrees of freedom (Biometrics Bulletin 2, 1946)
- 0.92 with an exponent of 2
- 0.98 with an exponent of 1
Coverage with an exponent of 1.5 and two to ten draws:
- 0.93 to 0.97 at shares of 0.3 to 0.7, and at shares of 0.05 to 0.95 with draws that differ little
- up to 0.985 at those shares with two draws that do not differ at all
- 0.83 to 0.92 where the mean is 0.05 to 0.1, with some draws near 0 and others at 0.3 and more
No interval from a few draws shows that the next draw might break the model.

Where the answers are missing, c is p (1 - p), as if all variance over prompts were shared. This is cautious.

A perplexity pools as exp of the mean L of the draws (`token_losses.py`), so one broken draw does not outweigh the rest.
P is then the variance over exchanges of their mean losses, and S is as above with the draws' L. q is Student's quantile
with one degree of freedom less than there are exchanges, moved towards that of the draws in the same way. A mean
response length pools alike: P is the variance over prompts of their mean lengths.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean, variance

import torch
from jaxtyping import Float
from torch import Tensor

from holdfast.evaluate.counted import counts_by_prompt
from holdfast.evaluate.paired_mean import standard_error
from holdfast.evaluate.response_length import NAME as LENGTH
from holdfast.evaluate.response_length import lengths_by_prompt
from holdfast.evaluate.statistics import NOT_MEASURED, Z_95, wilson_interval
from holdfast.evaluate.token_losses import (
    exp_bounded,
    loss_per_token,
    losses_by_name,
    perplexity_between,
    perplexity_rate,
)
from holdfast.outcomes import Evaluation, Rate, TokenLosses
from holdfast.student_t import quantile_95

ADDED_LATER = ("coherence/", "coherent_refusal/", "response_length/")
"""Groups that draws of earlier versions lack. They are left out where any draw lacks them."""
By = Mapping[str, Mapping[int, float]]
"""Share of each prompt's responses that count, by measure or group and by the prompt's position."""


def pool_evaluations(draws: Sequence[Evaluation]) -> Evaluation:
    """Pools the rates of draws that answered the same prompts. The result has no answers.

    Raises:
        ValueError: there is no draw, or the draws measured different groups.
    """
    if not draws:
        raise ValueError("there are no draws to pool; give at least one evaluation.")
    known = set.intersection(*(set(draw.groups) for draw in draws))
    if any(name not in known and not name.startswith(ADDED_LATER) for draw in draws for name in draw.groups):
        raise ValueError("the draws have different groups of prompts; evaluate every draw on the same suite.")
    losses = [losses_by_name(draw.losses) for draw in draws]
    of_losses = {name: pool_losses([of_draw.get(name, []) for of_draw in losses]) for name in losses[0]}
    perplexity = of_losses.get("perplexity")
    lengths = [lengths_by_prompt(draw.answers) for draw in draws]
    counted = [counts_by_prompt(draw.answers) for draw in draws]
    tasks = [draw.task or NOT_MEASURED for draw in draws]
    groups = {name: [draw.groups[name] for draw in draws] for name in draws[0].groups if name in known}
    apart = of_losses | {name: pool_lengths(name, groups[name], lengths) for name in groups if name.startswith(LENGTH)}
    return Evaluation(
        asr=_pool("asr", [draw.asr for draw in draws], counted),
        over_refusal=_pool("over_refusal", [draw.over_refusal for draw in draws], counted),
        utility=_pool("utility", [draw.utility for draw in draws], counted),
        perplexity=perplexity and perplexity.value,
        perplexity_rate=perplexity,
        task=_pool("task", tasks, counted) if any(draw.task for draw in draws) else None,
        groups={name: _pool_group(name, rates, counted, apart) for name, rates in groups.items()},
    )


def pool_rates(rates: Sequence[Rate], prompts: Float[Tensor, "prompt draw"] | None = None) -> Rate:
    """Averages the rates of draws on the same prompts, with an interval over both prompts and draws.

    `n` counts every scored outcome of every draw. A single draw keeps its own interval, which is over prompts only.

    Args:
        rates: one rate for every draw. Rates without a value are left out.
        prompts: share of each prompt's responses that count, for every draw with a value. None where unknown.
    """
    scored = [rate for rate in rates if rate.value is not None]
    unscored = sum(rate.unscored for rate in rates)
    if len(scored) < 2:
        return replace(scored[0], unscored=unscored) if scored else Rate(None, None, None, 0, unscored)
    values = [rate.value for rate in scored if rate.value is not None]
    share, known = fmean(values), prompts is not None and len(prompts) > 1
    shared = shared_variance(prompts) if prompts is not None and known else share * (1 - share)
    n_prompts = len(prompts) if prompts is not None and known else fmean(rate.n for rate in scored)
    return Rate(share, *interval_of_draws(values, n_prompts, shared), sum(rate.n for rate in scored), unscored)


def pool_losses(draws: Sequence[Sequence[TokenLosses]]) -> Rate | None:
    """Pools the perplexity of several draws. None where a draw has no perplexity, or read other exchanges."""
    rates = [perplexity_rate(losses) for losses in draws]
    asked = [[(each.prompt, each.tokens) for each in losses] for losses in draws]
    if None in rates or any(exchanges != asked[0] for exchanges in asked):
        return None
    if len(draws) == 1:
        return rates[0]
    tokens = [size for _, size in asked[0]]
    means = [fmean(each.loss for each in losses) for losses in zip(*draws, strict=True)]
    per_token = loss_per_token(means, tokens)
    if per_token is None:
        return None
    mean, error, n = per_token
    if error is None:
        return Rate(exp_bounded(mean), None, None, n)
    values = [math.log(rate.value) for rate in rates if rate and rate.value]
    of_draws = variance_of_draws(values)
    total = error**2 + of_draws
    half = quantile_of_draws(of_draws, total, len(values), of_prompts=quantile_95(n - 1)) * math.sqrt(total)
    return perplexity_between(mean, half, n)


def pool_lengths(name: str, rates: Sequence[Rate], lengths: Sequence[By]) -> Rate | None:
    """Pools the mean response length of several draws. None where no prompt has a length in every draw with a value.

    Args:
        name: the group, such as response_length/harmless.
        rates: the mean length in every draw.
        lengths: mean length of each prompt's samples, by group and prompt, for every draw.
    """
    scored = [rate for rate in rates if rate.value is not None]
    known = [of_draw.get(name, {}) for of_draw, rate in zip(lengths, rates, strict=True) if rate.value is not None]
    unscored = sum(rate.unscored for rate in rates)
    if len(scored) < 2:
        return replace(scored[0], unscored=unscored) if scored else Rate(None, None, None, 0, unscored)
    places = sorted(set.intersection(*map(set, known)))
    if not places:
        return None
    prompts = [fmean(of_draw[place] for of_draw in known) for place in places]
    n, mean = sum(rate.n for rate in scored), fmean(prompts)
    if len(places) < 2:
        return Rate(mean, None, None, n, unscored)
    of_draws = variance_of_draws([fmean(of_draw[place] for place in places) for of_draw in known])
    total = standard_error(prompts) ** 2 + of_draws
    of_prompts = quantile_95(len(places) - 1)
    half = quantile_of_draws(of_draws, total, len(known), of_prompts=of_prompts) * math.sqrt(total)
    return Rate(mean, max(0.0, mean - half), mean + half, n, unscored)


def variance_of_draws(values: Sequence[float]) -> float:
    """S: the variance of the mean of these draws over other draws; a single draw shows none."""
    return variance(values) / len(values) if len(values) > 1 else 0.0


def shared_variance(prompts: Float[Tensor, "prompt draw"]) -> float:
    """Variance over prompts that two draws share: the mean covariance of two different draws, at least 0."""
    draws = prompts.shape[1]
    covariances = torch.cov(prompts.double().T)  # float64, because the differences are small against the sum
    return max(0.0, float(covariances.sum() - covariances.trace()) / (draws * (draws - 1)))


def interval_of_draws(values: Sequence[float], n_prompts: float, shared: float) -> tuple[float, float]:
    """Computes the 95% interval of the mean rate of two or more draws.

    Args:
        values: the rates of the draws.
        n_prompts: number of prompts that all draws answered.
        shared: c, the variance over prompts that the draws share.
    """
    share = sum(values) / len(values)
    of_draws = sum((value - share) ** 2 for value in values) / (len(values) - 1) / len(values)
    spread, total = share * (1 - share), shared / n_prompts + of_draws
    if spread <= 0 or total <= 0:
        return wilson_interval(share, n_prompts)
    return wilson_interval(share, spread / total, quantile_of_draws(of_draws, total, len(values)))


def quantile_of_draws(of_draws: float, total: float, draws: int, of_prompts: float = Z_95) -> float:
    """Returns q, the 95% quantile of a mean over prompts and draws.

    Args:
        of_draws: S, the variance of the mean over draws.
        total: P + S.
        draws: D, two or more.
        of_prompts: the quantile where the prompts cause all variance.
    """
    weight = (of_draws / total) ** 1.5 if total else 0.0
    return math.sqrt(of_prompts**2 + weight * (quantile_95(draws - 1) ** 2 - of_prompts**2))


def _pool_group(name: str, rates: Sequence[Rate], counted: Sequence[By], apart: Mapping[str, Rate | None]) -> Rate:
    """Pools a group. `apart` has the perplexities and lengths, which are no shares."""
    return apart.get(name) or NOT_MEASURED if name.startswith(("perplexity/", LENGTH)) else _pool(name, rates, counted)


def _pool(name: str, rates: Sequence[Rate], counted: Sequence[By]) -> Rate:
    """Pools the rates of one measure, over the prompts that every draw with a value scored."""
    known = [counts.get(name, {}) for counts, rate in zip(counted, rates, strict=True) if rate.value is not None]
    places = sorted(set.intersection(*map(set, known))) if known else []
    rows = torch.tensor([[counts[place] for counts in known] for place in places], dtype=torch.float64)
    return pool_rates(rates, rows if places else None)
