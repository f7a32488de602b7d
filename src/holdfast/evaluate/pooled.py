"""The mean of D draws of one experiment on the same n prompts, e.g. five draws of noise, with an interval for both.

Prompts and draws both vary, and D n outcomes are not independent. The variance of the mean p over other prompts and
other draws has two parts (crossed random effects, in the two-way analysis of variance without replicates):
    P = c / n      c = mean covariance, over the prompts, of two different draws; at least 0
    S = s^2 / D    s^2 = variance of the D rates
The interval is Wilson's at the effective n = p (1 - p) / (P + S), with q in place of z:
    q^2 = z^2 + w^1.5 (t^2 - z^2)      w = S / (P + S),  t = Student's quantile with D - 1 degrees of freedom
So q is z where the prompts decide and t where the draws do. The exponent was chosen by simulation. With two draws,
Satterthwaite's degrees of freedom (Biometrics Bulletin 2, 1946) cover as little as 0.87, an exponent of 2 0.92 and one
of 1 0.98. With 1.5 and two to ten draws, coverage is 0.93 to 0.97 at shares of 0.3 to 0.7, and at 0.05 to 0.95 with
draws that differ little. It is up to 0.985 there with two draws that do not differ at all. It is 0.83 to 0.92 where
the mean is 0.05 to 0.1 and some draws are near 0, others at 0.3 and more: no interval of a few draws shows that the
next one might break the model.
Where the answers are not at hand, c is p (1 - p): all variance over prompts is taken for shared. This is cautious.
A perplexity pools as exp of the mean L of the draws (`token_losses.py`), so one broken draw does not outweigh the rest:
P is the variance over exchanges of their mean losses, S as above of the draws' L, and q is Student's quantile with as
many degrees of freedom as exchanges less one, moved towards that of the draws in the same way.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean, variance

import torch
from jaxtyping import Float
from torch import Tensor

from holdfast.evaluate.counted import counts_by_prompt
from holdfast.evaluate.statistics import NOT_MEASURED, Z_95, wilson_interval
from holdfast.evaluate.token_losses import exp_bounded, loss_per_token, losses_by_name, perplexity_rate
from holdfast.outcomes import Evaluation, Rate, TokenLosses
from holdfast.student_t import quantile_95

ADDED_LATER = ("coherence/", "coherent_refusal/")
"""Groups that draws of earlier versions lack; where one does, they are left out."""
By = Mapping[str, Mapping[int, float]]
"""By measure or group, the share of each prompt's responses that count."""


def pool_evaluations(draws: Sequence[Evaluation]) -> Evaluation:
    """Pools the rates of draws that answered the same prompts; their answers are left behind.

    Raises:
        ValueError: there is no draw, or the draws measured different groups.
    """
    if not draws:
        raise ValueError("there are no draws to pool; give at least one evaluation.")
    known = set.intersection(*(set(draw.groups) for draw in draws))
    if any(name not in known and not name.startswith(ADDED_LATER) for draw in draws for name in draw.groups):
        raise ValueError("the draws have different groups of prompts; evaluate every draw on the same suite.")
    losses = [losses_by_name(draw.losses) for draw in draws]
    of_losses = {name: pool_losses([one.get(name, []) for one in losses]) for name in losses[0]}
    surprise = of_losses.get("perplexity")
    counted = [counts_by_prompt(draw.answers) for draw in draws]
    tasks = [draw.task or NOT_MEASURED for draw in draws]
    groups = {name: [draw.groups[name] for draw in draws] for name in draws[0].groups if name in known}
    return Evaluation(
        asr=_pool("asr", [draw.asr for draw in draws], counted),
        over_refusal=_pool("over_refusal", [draw.over_refusal for draw in draws], counted),
        utility=_pool("utility", [draw.utility for draw in draws], counted),
        perplexity=surprise and surprise.value,
        perplexity_rate=surprise,
        task=_pool("task", tasks, counted) if any(draw.task for draw in draws) else None,
        groups={name: _pool_group(name, rates, counted, of_losses) for name, rates in groups.items()},
    )


def pool_rates(rates: Sequence[Rate], prompts: Float[Tensor, "prompt draw"] | None = None) -> Rate:
    """The mean over draws on the same prompts, with an interval for both: other prompts and other draws.

    `n` counts every scored outcome of every draw. One draw comes back as it is: its interval is for other prompts only.

    Args:
        rates: one a draw; those without a value are left out.
        prompts: the share of each prompt's responses that count, of every draw that has a value; None where it is not
            known.
    """
    scored = [one for one in rates if one.value is not None]
    unscored = sum(one.unscored for one in rates)
    if len(scored) < 2:
        return replace(scored[0], unscored=unscored) if scored else Rate(None, None, None, 0, unscored)
    values = [one.value for one in scored if one.value is not None]
    share, known = fmean(values), prompts is not None and len(prompts) > 1
    shared = shared_variance(prompts) if prompts is not None and known else share * (1 - share)
    n_prompts = len(prompts) if prompts is not None and known else fmean(one.n for one in scored)
    return Rate(share, *interval_of_draws(values, n_prompts, shared), sum(one.n for one in scored), unscored)


def pool_losses(draws: Sequence[Sequence[TokenLosses]]) -> Rate | None:
    """The perplexity of several draws on the same exchanges; None where one of them has none, or is of others."""
    rates = [perplexity_rate(one) for one in draws]
    asked = [[(one.prompt, one.tokens) for one in losses] for losses in draws]
    if None in rates or any(one != asked[0] for one in asked):
        return None
    if len(draws) == 1:
        return rates[0]
    tokens = [size for _, size in asked[0]]
    means = [fmean(one.loss for one in each) for each in zip(*draws, strict=True)]
    found = loss_per_token(means, tokens)
    if found is None:
        return None
    mean, error, n = found
    if error is None:
        return Rate(exp_bounded(mean), None, None, n)
    values = [math.log(one.value) for one in rates if one and one.value]
    of_draws = variance_of_draws(values)
    total = error**2 + of_draws
    half = quantile_of_draws(of_draws, total, len(values), of_prompts=quantile_95(n - 1)) * math.sqrt(total)
    return Rate(exp_bounded(mean), exp_bounded(mean - half), exp_bounded(mean + half), n)


def variance_of_draws(values: Sequence[float]) -> float:
    """S: the variance of the mean of these draws over other draws; a single draw shows none."""
    return variance(values) / len(values) if len(values) > 1 else 0.0


def shared_variance(prompts: Float[Tensor, "prompt draw"]) -> float:
    """The variance over prompts that two draws have in common: their mean covariance, at least 0."""
    draws = prompts.shape[1]
    covariances = torch.cov(prompts.double().T)  # float64: what differs is small against the sum
    return max(0.0, float(covariances.sum() - covariances.trace()) / (draws * (draws - 1)))


def interval_of_draws(values: Sequence[float], n_prompts: float, shared: float) -> tuple[float, float]:
    """The 95% interval of the mean of two or more draws' rates.

    Args:
        values: the rates of the draws.
        n_prompts: how many prompts all of them answered.
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
        of_draws: S, the part of the variance that comes from other draws.
        total: P + S.
        draws: D, two or more.
        of_prompts: the quantile where the prompts decide.
    """
    weight = (of_draws / total) ** 1.5 if total else 0.0
    return math.sqrt(of_prompts**2 + weight * (quantile_95(draws - 1) ** 2 - of_prompts**2))


def _pool_group(name: str, rates: Sequence[Rate], counted: Sequence[By], of_losses: Mapping[str, Rate | None]) -> Rate:
    if name.startswith("perplexity/"):
        return of_losses.get(name) or NOT_MEASURED
    return _pool(name, rates, counted)


def _pool(name: str, rates: Sequence[Rate], counted: Sequence[By]) -> Rate:
    """The rates of one measure, with the prompts that every draw with a value scored."""
    known = [found.get(name, {}) for found, one in zip(counted, rates, strict=True) if one.value is not None]
    places = sorted(set.intersection(*map(set, known))) if known else []
    rows = torch.tensor([[found[place] for found in known] for place in places], dtype=torch.float64)
    return pool_rates(rates, rows if places else None)
