"""Counts every answer that the judge could not score against a claim. A claim that holds must hold then, too.

With a share p of n scored answers and u more without a verdict, the worst shares are
    p n / (n + u)   and   (p n + u) / (n + u)
An answer without a verdict is no evidence, so the interval is Wilson's with the a = z^2 / n of the scored answers. For
an interval [l, h] around p that is a = (1 - p)^2 / ((1 - l)(1 - h)) - 1 = p^2 / (l h) - 1, also where draws or samples
make n smaller than the number of answers.
"""

import math
from typing import Literal

from holdfast.differences import Difference, paired_difference, rate_difference
from holdfast.outcomes import Rate
from holdfast.report.records import Pair, Suite


def filled(rate: Rate, *, counts: bool) -> Rate:
    """Makes the rate in which every unscored answer counts, or in which none of them does."""
    value, low, high, unscored = rate.value, rate.low, rate.high, rate.unscored
    if not unscored or value is None or low is None or high is None:
        return rate
    every = rate.n + unscored
    share = (value * rate.n + counts * unscored) / every
    scored = (1 - value) ** 2 / ((1 - low) * (1 - high)) if value <= 0.5 else value**2 / (low * high)
    return Rate(share, *_wilson(share, max(0.0, scored - 1)), every)


def worst_difference(
    before: Rate, after: Rate, claimed: Literal["above", "below"], pair: Pair | None = None, factor: float = 1.0
) -> Difference | None:
    """Returns after minus before with every unscored answer counted against the claim. None if all were scored.

    Args:
        before: the rate to start from.
        after: the rate to compare with it.
        claimed: the side of its bar on which the claim puts the difference.
        pair: counts of the prompts that were scored in both. None if the prompts are not the same.
        factor: number by which the rate before is multiplied.
    """
    if not before.unscored and not after.unscored:
        return None
    rises = claimed == "below"
    first, second = filled(before, counts=not rises), filled(after, counts=rises)
    return _paired(first, second, pair) if pair else rate_difference(first, second, factor)


def worst_difference_of(
    before: Suite, after: Suite, measure: str, claimed: Literal["above", "below"], other: str | None = None
) -> Difference | None:
    """Returns the worst difference of a measure between two results, of which `other` names the first.

    It is None if every answer was scored, or if one of the two is not measured.
    """
    first, second = before.rates.get(measure), after.rates.get(measure)
    if not first or first.value is None or not second or second.value is None:
        return None
    pairs = after.paired if other is None else after.against.get(other, {})
    return worst_difference(first, second, claimed, pairs.get(measure))


def _paired(before: Rate, after: Rate, pair: Pair) -> Difference | None:
    """Adds the prompts that lack a verdict to those that were scored in both. Together they give the two rates."""
    missing = before.n - pair.n
    if before.n != after.n or missing < 0 or before.value is None or after.value is None:
        return rate_difference(before, after)
    whole = round((after.value - before.value) * before.n)
    added = max(-missing, min(missing, whole - pair.only_after + pair.only_before))
    return paired_difference(before.n, pair.only_before + max(0, -added), pair.only_after + max(0, added))


def _wilson(share: float, weight: float) -> tuple[float, float]:
    """Computes Wilson's interval from a = z^2 / n."""
    centre = (share + weight / 2) / (1 + weight)
    half = math.sqrt(share * (1 - share) * weight + weight**2 / 4) / (1 + weight)
    return min(share, max(0.0, centre - half)), max(share, min(1.0, centre + half))
