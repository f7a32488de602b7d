"""One rule decides every claim: it compares a 95% interval with a bar.

    holds          the whole interval lies on the claimed side of the bar
    does not hold  the whole interval lies on the other side
    inconclusive   the interval straddles the bar, or touches it

A claim of several parts holds where all parts hold, and does not hold where one part does not.
"""

from collections.abc import Sequence
from typing import Literal

Interval = tuple[float, float]
Decision = Literal["holds", "does not hold", "inconclusive"]


def decide(interval: Interval, bar: float, *, claimed: Literal["above", "below"]) -> Decision:
    """Decides the claim that a number with this 95% interval lies above, or below, the bar."""
    low, high = interval
    side = "above" if low > bar else "below" if high < bar else None
    if side is None:
        return "inconclusive"
    return "holds" if side == claimed else "does not hold"


def decide_all(decisions: Sequence[Decision]) -> Decision:
    """Decides a claim that needs all of its parts."""
    if "does not hold" in decisions:
        return "does not hold"
    return "inconclusive" if "inconclusive" in decisions else "holds"
