"""Noise on a mask against the same noise on a control: the difference on the same prompts, over D draws of each.

For a rate, d_i is the share of the mask's draws in which prompt i counts, minus that of the control's:
    c = sum of d_i / (n + 2)    P = ((sum of d_i^2 + 2) / (n + 2) - c^2) / (n + 2)
which with one draw is the interval of `differences.py` (Bonett and Price 2012). For perplexity, c is the difference of
the mean losses per token, and P its variance over exchanges (`token_losses.py`). Other draws add
    S = (s^2 of the mask's rates + s^2 of the control's) / D
With w = S / (P + S), the error is taken to follow a mixture: w of Student's t with D - 1 degrees of freedom, the rest
normal (for perplexity: t with n - 1). The 95% interval and the two-sided p value are both of that mixture, so p is
below 0.05 exactly where the interval leaves out no difference. The quantile q of `pooled.py` gives no p value, so it
is not used here. One draw of each covers other prompts only.

Simulated with 16 and 64 prompts, two to five draws of each, shares of 0.05 and 0.3, with and without a difference, the
intervals cover 0.98 of the time on average. The worst cell has 0.92 with two draws, and 0.94 with three or five.
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
    """The mask minus the control, or for a perplexity the mask over the control, with its 95% interval."""

    value: float
    low: float
    high: float
    n: int
    """Prompts, or exchanges, that every draw scored."""
    p_value: float
    """Two-sided test that both are the same."""


def contrast(mask: Sequence[Evaluation], control: Sequence[Evaluation]) -> dict[str, Contrast]:
    """Contrasts of every rate and perplexity that all draws measured, by the names that an evaluation has for them.

    Raises:
        ValueError: there is no draw of one of the two.
    """
    if not mask or not control:
        raise ValueError("a contrast needs at least one draw of noise on the mask and one on the control.")
    counted = [[counts_by_prompt(draw.answers) for draw in draws] for draws in (mask, control)]
    names = set.intersection(*(set(one) for draws in counted for one in draws))
    found = {name: _of_rate(*([one[name] for one in draws] for draws in counted)) for name in sorted(names)}
    losses = [[losses_by_name(draw.losses) for draw in draws] for draws in (mask, control)]
    measured = set.intersection(*(set(one) for draws in losses for one in draws))
    found |= {name: _of_losses(*([one[name] for one in draws] for draws in losses)) for name in sorted(measured)}
    return {name: one for name, one in found.items() if one is not None}


def _of_rate(mask: Sequence[Mapping[int, float]], control: Sequence[Mapping[int, float]]) -> Contrast | None:
    places = sorted(set.intersection(*map(set, (*mask, *control))))
    if not places:
        return None
    changes = [fmean(one[place] for one in mask) - fmean(one[place] for one in control) for place in places]
    n = len(changes)
    centre = math.fsum(changes) / (n + 2)
    of_prompts = ((math.fsum(one**2 for one in changes) + 2) / (n + 2) - centre**2) / (n + 2)
    of_draws = sum(
        variance_of_draws([fmean(one[place] for place in places) for one in draws]) for draws in (mask, control)
    )
    half, p_value = _error(centre, of_prompts, of_draws, len(mask), None)
    return Contrast(fmean(changes), max(-1.0, centre - half), min(1.0, centre + half), n, p_value)


def _of_losses(mask: Sequence[Sequence[TokenLosses]], control: Sequence[Sequence[TokenLosses]]) -> Contrast | None:
    tokens = [one.tokens for one in mask[0]]
    sides = [[fmean(one.loss for one in each) for each in zip(*draws, strict=True)] for draws in (mask, control)]
    found = loss_per_token([first - second for first, second in zip(*sides, strict=True)], tokens)
    if found is None:
        return None
    change, error, n = found
    if error is None:
        return None
    means = [[loss_per_token([one.loss for one in draw], tokens) for draw in draws] for draws in (mask, control)]
    of_draws = sum(variance_of_draws([one[0] for one in draws if one]) for draws in means)
    half, p_value = _error(change, error**2, of_draws, len(mask), n - 1)
    return Contrast(exp_bounded(change), exp_bounded(change - half), exp_bounded(change + half), n, p_value)


def _error(
    change: float, of_prompts: float, of_draws: float, draws: int, prompts_freedom: int | None
) -> tuple[float, float]:
    """Half the width of the 95% interval, and the p value of a change."""
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
