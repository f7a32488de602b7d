"""kappa = (p - c) / (1 - c),   p = share of responses on which two judges agree,   c = sum over verdicts of a_v b_v

a_v and b_v are the shares of verdict v with each judge, so c is how often they would agree by chance (Cohen 1960). 1 is
full agreement, 0 is what chance gives, below 0 is less. Responses that either leaves unscored are left out and counted.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from holdfast.evaluate.statistics import wilson_interval
from holdfast.values import Outcome, Rate


@dataclass(frozen=True)
class Agreement:
    """How far two judges agree on the same responses."""

    share: Rate
    """Share of responses with the same verdict; `unscored` counts those without a verdict of both."""
    kappa: float | None
    """Agreement beyond chance; None where both always say the same one thing, or nothing was scored by both."""


def agreement(first: Sequence[Outcome], second: Sequence[Outcome]) -> Agreement:
    """Compares the two judges' outcomes, which are about the same responses in the same order."""
    pairs = [(one.verdict, other.verdict) for one, other in zip(first, second, strict=True)]
    scored = [pair for pair in pairs if None not in pair]
    n, unscored = len(scored), len(pairs) - len(scored)
    if not n:
        return Agreement(Rate(None, None, None, 0, unscored), None)
    same = sum(one == other for one, other in scored)
    share = Rate(same / n, *wilson_interval(same / n, n), n, unscored)
    return Agreement(share, _kappa(same, scored))


def _kappa(same: int, scored: Sequence[tuple[object, object]]) -> float | None:
    n = len(scored)
    ours, theirs = (Counter(verdicts) for verdicts in zip(*scored, strict=True))
    by_chance = sum(ours[verdict] * theirs[verdict] for verdict in ours)  # times n^2: whole, so that 1 is seen exactly
    return None if by_chance == n * n else (same * n - by_chance) / (n * n - by_chance)
