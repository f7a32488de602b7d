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
from holdfast.report.suites import both_of
from holdfast.student_t import Z_95
from holdfast.wilson import wilson_interval


def filled(rate: Rate, *, counts: bool) -> Rate:
    """Makes the rate in which every unscored answer counts, or in which none of them does."""
    value, low, high, unscored = rate.value, rate.low, rate.high, rate.unscored
    if not unscored or value is None or low is None or high is None:
        return rate
    every = rate.n + unscored
    share = (value * rate.n + counts * unscored) / every
    missed, met = (1 - low) * (1 - high), low * high
    if not (missed if value <= 0.5 else met):  # an interval that was widened to an end of the scale
        return Rate(share, 0.0, 1.0, every)
    scored = (1 - value) ** 2 / missed if value <= 0.5 else value**2 / met
    weight = max(0.0, scored - 1)
    return Rate(share, *wilson_interval(share, Z_95**2 / weight if weight else math.inf), every)


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
    if (found := both_of(before, after, measure, other)) is None:
        return None
    first, second, pair = found
    return worst_difference(first, second, claimed, pair)


def _paired(before: Rate, after: Rate, pair: Pair) -> Difference | None:
    """Adds the prompts that lack a verdict to those that were scored in both. Together they give the two rates."""
    missing = before.n - pair.n
    if before.n != after.n or missing < 0 or before.value is None or after.value is None:
        return rate_difference(before, after)
    whole = round((after.value - before.value) * before.n)
    added = max(-missing, min(missing, whole - pair.only_after + pair.only_before))
    return paired_difference(before.n, pair.only_before + max(0, -added), pair.only_after + max(0, added))
