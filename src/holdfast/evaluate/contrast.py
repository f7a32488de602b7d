"""Effect of noise on a mask minus that of the same noise on a control, on the same prompts, over D draws of each.

For a rate, d_i is the share of the mask's draws in which prompt i counts, minus the same share of the control's draws:
    c = sum of d_i / (n + 2)    P = ((sum of d_i^2 + 2) / (n + 2) - c^2) / (n + 2)
With one draw this is the interval of `differences.py` (Bonett and Price 2012). For perplexity, c is the difference of
the mean losses per token, and P its variance over exchanges (`token_losses.py`). The variance over draws adds
    S = (s^2 of the mask's rates + s^2 of the control's) / D
With w = S / (P + S), the error is taken to follow a mixture: w of Student's t with D - 1 degrees of freedom, and 1 - w
of the normal distribution (for perplexity: of t with n - 1). The 95% interval and the two-sided p value both use that
mixture, so p is below 0.05 exactly where the interval excludes no difference. The quantile q of `pooled.py` gives no p
value, so it is not used here. With one draw of each, the interval covers the choice of prompts only.

Simulations used 16 and 64 prompts, two to five draws of each, and shares of 0.05 and 0.3, with and without a
difference. The intervals' coverage is 0.98 on average. The worst cell has 0.92 with two draws, and 0.94 with three or
five.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from holdfast.evaluate.counted import counts_by_prompt
from holdfast.evaluate.pooled import variance_of_draws
from holdfast.evaluate.token_losses import exp_bounded, loss_per_token, losses_by_name
from holdfast.outcomes import Evaluation, TokenLosses
from holdfast.student_t import chance_within


@dataclass(frozen=True)
class Contrast:
    """The mask minus the control, or for perplexity the ratio mask / control, with its 95% interval."""

    value: float
    low: float
    high: float
    n: int
    """Number of prompts, or exchanges, that every draw scored."""
    p_value: float
    """p value of the two-sided test that mask and control have the same effect."""


def contrast(mask: Sequence[Evaluation], control: Sequence[Evaluation]) -> dict[str, Contrast]:
    """Contrasts every rate and perplexity that all draws measured, by the evaluation's names.

    Raises:
        ValueError: the mask or the control has no draw.
    """
    if not mask or not control:
        raise ValueError("a contrast needs at least one draw of noise on the mask and one on the control.")
    counted = [[counts_by_prompt(draw.answers) for draw in draws] for draws in (mask, control)]
    names = set.intersection(*(set(draw) for draws in counted for draw in draws))
    contrasts = {name: _of_rate(*([draw[name] for draw in draws] for draws in counted)) for name in sorted(names)}
    losses = [[losses_by_name(draw.losses) for draw in draws] for draws in (mask, control)]
    measured = set.intersection(*(set(draw) for draws in losses for draw in draws))
    contrasts |= {name: _of_losses(*([draw[name] for draw in draws] for draws in losses)) for name in sorted(measured)}
    return {name: result for name, result in contrasts.items() if result is not None}


def _of_rate(mask: Sequence[Mapping[int, float]], control: Sequence[Mapping[int, float]]) -> Contrast | None:
    places = sorted(set.intersection(*map(set, (*mask, *control))))
    if not places:
        return None
    changes = [fmean(draw[place] for draw in mask) - fmean(draw[place] for draw in control) for place in places]
    n = len(changes)
    centre = math.fsum(changes) / (n + 2)
    of_prompts = ((math.fsum(change**2 for change in changes) + 2) / (n + 2) - centre**2) / (n + 2)
    of_draws = sum(
        variance_of_draws([fmean(draw[place] for place in places) for draw in draws]) for draws in (mask, control)
    )
    half, p_value = mixed_error(centre, of_prompts, of_draws, len(mask), None)
    return Contrast(fmean(changes), max(-1.0, centre - half), min(1.0, centre + half), n, p_value)


@dataclass(frozen=True)
class LossChange:
    """The change of the mean loss per token from the control to the mask, in nats."""

    value: float
    of_prompts: float
    """Variance of the change over exchanges."""
    draws: tuple[tuple[float, ...], tuple[float, ...]]
    """Loss per token of each draw: of the mask and of the control."""
    n: int
    """Number of exchanges with tokens."""


def loss_change(mask: Sequence[Sequence[TokenLosses]], control: Sequence[Sequence[TokenLosses]]) -> LossChange | None:
    """Computes the change of the loss. None where a loss is not finite, or fewer than two exchanges have tokens."""
    tokens = [loss.tokens for loss in mask[0]]
    sides = [[fmean(each.loss for each in losses) for losses in zip(*draws, strict=True)] for draws in (mask, control)]
    per_token = loss_per_token([first - second for first, second in zip(*sides, strict=True)], tokens)
    if per_token is None:
        return None
    change, error, n = per_token
    if error is None:
        return None
    on_mask, on_control = (
        tuple(mean[0] for draw in draws if (mean := loss_per_token([each.loss for each in draw], tokens)))
        for draws in (mask, control)
    )
    return LossChange(change, error**2, (on_mask, on_control), n)


def contrast_of_losses(change: LossChange) -> Contrast:
    """Turns a change of the loss into the ratio of perplexities mask / control."""
    of_draws = sum(map(variance_of_draws, change.draws))
    half, p_value = mixed_error(change.value, change.of_prompts, of_draws, len(change.draws[0]), change.n - 1)
    low, high = exp_bounded(change.value - half), exp_bounded(change.value + half)
    return Contrast(exp_bounded(change.value), low, high, change.n, p_value)


def _of_losses(mask: Sequence[Sequence[TokenLosses]], control: Sequence[Sequence[TokenLosses]]) -> Contrast | None:
    change = loss_change(mask, control)
    return contrast_of_losses(change) if change else None


def mixed_error(
    change: float, of_prompts: float, of_draws: float, draws: int, prompts_freedom: int | None
) -> tuple[float, float]:
    """Computes half the width of the 95% interval, and the p value of a change."""
    error = math.sqrt(of_prompts + of_draws)
    if not error:
        return 0.0, 1.0 if change == 0 else 0.0
    weight = of_draws / (of_prompts + of_draws)

    def within(times: float) -> float:
        by_prompts = chance_within(times, prompts_freedom) if prompts_freedom else math.erf(times / math.sqrt(2))
        return (1 - weight) * by_prompts + (weight * chance_within(times, draws - 1) if weight else 0.0)

    return _quantile_95(within) * error, max(0.0, 1.0 - within(abs(change) / error))


def _quantile_95(within: Callable[[float], float]) -> float:
    low, high = 1.9, 13.0  # from infinitely many degrees of freedom to one
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (middle, high) if within(middle) < 0.95 else (low, middle)
    return high
