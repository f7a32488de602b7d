"""kappa = (p - c) / (1 - c),   p = share of responses on which two judges agree,   c = sum over verdicts of a_v b_v

a_v and b_v are the shares of verdict v with each judge, so c is the agreement to expect by chance (Cohen 1960). kappa
is 1 for full agreement, 0 for chance agreement, and below 0 for less. Responses without a verdict from both judges are
left out and counted.

The interval is kappa -+ 1.96 sqrt(v), cut to [-1, 1]. p_vw is the share of responses with verdict v from the first
judge and w from the second (Fleiss, Cohen and Everitt, Psychological Bulletin 72, 1969):
    v = (sum of p_vv (1 - (a_v + b_v)(1 - kappa))^2 + (1 - kappa)^2 sum over v != w of p_vw (b_v + a_w)^2
         - (kappa - c (1 - kappa))^2) / (n (1 - c)^2)
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from holdfast.evaluate.statistics import Z_95, counted_rate
from holdfast.outcomes import Outcome, Rate


@dataclass(frozen=True)
class Agreement:
    """Agreement of two judges on the same responses."""

    share: Rate
    """Share of responses with the same verdict. `unscored` counts those without a verdict from both judges."""
    kappa: float | None
    """Agreement beyond chance. None where both judges give one and the same verdict throughout, or share none."""
    kappa_low: float | None = None
    """Ends of kappa's 95% interval. None where there is no kappa."""
    kappa_high: float | None = None


def agreement(first: Sequence[Outcome], second: Sequence[Outcome]) -> Agreement:
    """Compares two judges' outcomes on the same responses, in the same order."""
    pairs = [(ours.verdict, theirs.verdict) for ours, theirs in zip(first, second, strict=True)]
    scored = [pair for pair in pairs if None not in pair]
    same = sum(ours == theirs for ours, theirs in scored)
    share = counted_rate(same, len(scored), unscored=len(pairs) - len(scored))
    if not scored:
        return Agreement(share, None)
    kappa = _kappa(same, scored)
    return Agreement(share, kappa, *((None, None) if kappa is None else _kappa_interval(kappa, scored)))


def _kappa(same: int, scored: Sequence[tuple[object, object]]) -> float | None:
    n = len(scored)
    ours, theirs = (Counter(verdicts) for verdicts in zip(*scored, strict=True))
    by_chance = sum(ours[verdict] * theirs[verdict] for verdict in ours)  # n^2 c, an integer: c = 1 compares exactly
    return None if by_chance == n * n else (same * n - by_chance) / (n * n - by_chance)


def _kappa_interval(kappa: float, scored: Sequence[tuple[object, object]]) -> tuple[float, float]:
    n, cells = len(scored), Counter(scored)
    ours, theirs = (Counter(verdicts) for verdicts in zip(*scored, strict=True))
    by_chance = sum(ours[verdict] * theirs[verdict] for verdict in ours) / n**2
    same = sum(
        count * (1 - (ours[first] + theirs[first]) / n * (1 - kappa)) ** 2
        for (first, second), count in cells.items()
        if first == second
    )
    other = sum(
        count * ((theirs[first] + ours[second]) / n) ** 2 for (first, second), count in cells.items() if first != second
    )
    spread = same / n + (1 - kappa) ** 2 * other / n - (kappa - by_chance * (1 - kappa)) ** 2
    half = Z_95 * math.sqrt(max(0.0, spread) / n) / (1 - by_chance)
    return max(-1.0, kappa - half), min(1.0, kappa + half)
