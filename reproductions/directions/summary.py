"""Summaries of effects for pages: means with intervals, shares of another effect, ranges of draws."""

import random
from collections.abc import Sequence
from math import sqrt
from statistics import fmean, stdev

from holdfast.student_t import quantile_95

NOT_RUN = "not run"
DRAWS = 2000
"""Draws of the bootstrap over prompts."""


def mean_with_ends(effects: Sequence[float]) -> str:
    """Writes the mean with Student's 95% interval over prompts."""
    half = quantile_95(len(effects) - 1) * stdev(effects) / sqrt(len(effects))
    mean = fmean(effects)
    return f"{mean:+.2f} [{mean - half:+.2f}, {mean + half:+.2f}]"


def share_with_ends(effects: Sequence[float], whole: Sequence[float]) -> str:
    """Writes the share of another mean effect on the same prompts, with a bootstrap's 95% interval.

    Without an effect above 0 there is nothing to have a share of.
    """
    if fmean(whole) <= 0:
        return "no effect to compare with"
    draw, places = random.Random(0), range(len(whole))
    shares = []
    for _ in range(DRAWS):
        drawn = draw.choices(places, k=len(places))
        below = fmean(whole[place] for place in drawn)
        shares.append(fmean(effects[place] for place in drawn) / below if below > 0 else float("inf"))
    shares.sort()
    low, high = shares[int(0.025 * DRAWS)], shares[int(0.975 * DRAWS)]
    return f"{fmean(effects) / fmean(whole):.0%} [{low:.0%}, {high:.0%}]"


def spread(draws: Sequence[Sequence[float]]) -> str:
    """Writes the range of the mean effects of several draws."""
    means = [fmean(effects) for effects in draws]
    return f"{min(means):+.2f} to {max(means):+.2f}" if means else NOT_RUN


def typical(draws: Sequence[Sequence[float]]) -> float | None:
    """Returns the mean over draws of the size of their mean effects. None without draws."""
    return fmean(abs(fmean(effects)) for effects in draws) if draws else None
