"""Chances that a gate fails, passes or cannot decide, before anything is run: the power of `exact_paired.py`.

A gate allows a rate to rise by `margin`. Of n prompts a share p_b counts only before and a share p_c only after:
    chance that it fails = sum over b, c with p_above(b, c) <= level of Multinomial(b, c; n, p_b, p_c)
The chance that it passes is such a sum over p_below. A `discordance` of D is the share of prompts that change although
both checkpoints are equally good, half of them each way. A true rise of d > 0 adds d to p_c:
    p_b = D / 2 + max(-d, 0)        p_c = D / 2 + max(d, 0)
The sum is exact for few prompts, or if few of them change. Else T is taken to be normal:
    chance that it fails = Phi((d - margin - z sqrt(V0 / n)) / sqrt(V / n))
V is the variance of one prompt's change, and V0 the one that the test estimates, for which the rise is the margin.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from holdfast.evaluate.exact_paired import LEVEL, NEVER, NORMAL, likely_counts, log_factorials, p_above

POWER = 0.8
"""Chance of a right decision that a plan asks for."""
USUAL_DISCORDANCE = 0.05
"""Share of prompts that is taken to change between two equally good checkpoints, if nothing else is known."""
FEW_PROMPTS, FEW_CHANGES, MOST_EXACT = 400, 60, 20_000
"""The exact sum is taken for few prompts, or for few changes of at most the last number of prompts."""
MOST_PROMPTS = 1_000_000
"""Number of prompts at which a search ends."""
FINENESS = 0.01
"""Precision of a number of prompts, as a share of it, and of a rise, as a share of its distance from the margin."""


@dataclass(frozen=True)
class Truth:
    """Assumption on two checkpoints: the shares of prompts that count only before, and only after."""

    only_before: float
    only_after: float

    @classmethod
    def of(cls, rise: float, discordance: float) -> "Truth":
        """Makes the assumption of a true rise, in addition to changes that cancel out."""
        return cls(discordance / 2 + max(-rise, 0.0), discordance / 2 + max(rise, 0.0))

    @property
    def rise(self) -> float:
        """True rate after minus true rate before."""
        return self.only_after - self.only_before

    @property
    def changed(self) -> float:
        """Share of prompts that change."""
        return self.only_before + self.only_after

    @property
    def turned(self) -> "Truth":
        """This assumption with before and after exchanged, so that a rise is a fall."""
        return Truth(self.only_after, self.only_before)


class Chances(NamedTuple):
    """Chances of the outcomes of a gate on one measure."""

    fails: float
    passes: float

    @property
    def undecided(self) -> float:
        """Chance that these prompts cannot decide."""
        return max(0.0, 1.0 - self.fails - self.passes)


def chances(n: int, margin: float, truth: Truth, level: float = LEVEL) -> Chances:
    """Computes the chances of the outcomes on n prompts. The gate fails at `level`, and passes at `LEVEL`."""
    return Chances(chance_above(n, margin, truth, level), chance_above(n, -margin, truth.turned))


def chance_above(n: int, margin: float, truth: Truth, level: float = LEVEL) -> float:
    """Computes the chance that the test of a rise above the margin finds one."""
    if n > MOST_EXACT or (n > FEW_PROMPTS and n * truth.changed > FEW_CHANGES):
        return _approximately(n, margin, truth, level)
    b, c, weights = _likely_tables(n, truth)
    return float(weights[p_above(n, margin, b, c, level=level) <= level].sum())


def _likely_tables(n: int, truth: Truth) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lists the counts of prompts that change either way, each with its chance, which is not negligible."""
    ranges = (likely_counts(n, share, share) for share in (truth.only_before, truth.only_after))
    rows, columns = np.meshgrid(*ranges, indexing="ij")
    possible = rows + columns <= n
    b, c = rows[possible], columns[possible]
    factorials = log_factorials(n)
    ways = factorials[n] - factorials[b] - factorials[c] - factorials[n - b - c]
    odds = (max(share, NEVER) for share in (truth.only_before, truth.only_after, 1 - truth.changed))
    log_b, log_c, log_same = map(math.log, odds)
    weights = np.exp(ways + b * log_b + c * log_c + (n - b - c) * log_same)
    likely = weights > 1e-9
    return b[likely], c[likely], weights[likely]


def _approximately(n: int, margin: float, truth: Truth, level: float) -> float:
    distance = truth.rise - margin - NORMAL.inv_cdf(1 - level) * math.sqrt(_estimated_variance(margin, truth) / n)
    error = math.sqrt(max(0.0, truth.changed - truth.rise**2) / n)
    return NORMAL.cdf(distance / error) if error else float(distance > 0)


def _estimated_variance(margin: float, truth: Truth) -> float:
    """V0, from the same equation as in `exact_paired.score`."""
    if margin < 0:
        return _estimated_variance(-margin, truth.turned)
    b, c = truth.only_before, truth.only_after
    linear = b * (1 - margin) + c * (1 + margin) - 2 * margin
    p_before = (linear + math.sqrt(linear**2 + 8 * b * margin * (1 - margin))) / 4
    return max(0.0, 2 * p_before + margin - margin**2)


def prompts_needed(margin: float, truth: Truth, level: float = LEVEL, power: float = POWER) -> int | None:
    """Finds the number of prompts from which a true rise above the margin is found with this power, to 1% of it.

    None if no number up to `MOST_PROMPTS` is enough. Turn margin and truth to ask for a fall.
    """
    roughly = first_enough(lambda n: _approximately(n, margin, truth, level) >= power, 1, MOST_PROMPTS, 0.001)
    if roughly is None:
        return None
    low, high = 1 + roughly // 2, 2 * roughly
    exactly = partial(chance_above, margin=margin, truth=truth, level=level)
    return first_enough(lambda n: exactly(n) >= power, low, high, FINENESS)


def first_enough(is_enough: Callable[[int], bool], low: int, high: int, fineness: float) -> int | None:
    """Finds the first number between two that is enough, by halving."""
    if not is_enough(high):
        return None
    while high - low > max(1, fineness * high):
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return high


def smallest_rise(
    n: int, margin: float, discordance: float, level: float = LEVEL, power: float = POWER
) -> float | None:
    """Finds the smallest true rise above the margin that n prompts find with this power. None if there is none."""
    low, high = margin, 1.0 - discordance
    if high <= low or chance_above(n, margin, Truth.of(high, discordance), level) < power:
        return None
    while high - low > FINENESS * max(high - margin, FINENESS):
        middle = (low + high) / 2
        found = chance_above(n, margin, Truth.of(middle, discordance), level) >= power
        low, high = (low, middle) if found else (middle, high)
    return high
