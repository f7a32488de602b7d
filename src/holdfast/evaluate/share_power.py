"""Chances that a gate on an absolute level (`asr > 0.05`) fails or passes, before anything is run.

It is the power of `exact_share.py`. With n responses, a true share s and the bar b:
    chance to find s above b = sum over k with p_above(n, b, k) <= level of Binomial(k; n, s)
For a share below a bar exchange what counts and what does not: turn s into 1 - s and b into 1 - b.
"""

import math

import numpy as np
from jaxtyping import Float

from holdfast.evaluate.exact_paired import LEVEL, NEVER, NORMAL, log_factorials
from holdfast.evaluate.gate_power import FINENESS, MOST_PROMPTS, POWER, first_enough

HALVINGS = 40


def chance_above(n: int, bar: float, share: float, level: float = LEVEL) -> float:
    """Computes the chance that the test finds a true share above the bar."""
    found = _tails(n, bar) <= level  # from k = 0, whose tail is 1, to k = n
    return float(_tails(n, share)[np.argmax(found)]) if found.any() else 0.0


def prompts_needed(bar: float, share: float, level: float = LEVEL, power: float = POWER) -> int | None:
    """Finds the number of responses from which the share is found above the bar with this power, to 1% of it.

    None if no number up to `MOST_PROMPTS` is enough.
    """
    if share <= bar:
        return None
    spread_of_test, spread = (math.sqrt(one * (1 - one)) for one in (bar, share))
    errors = NORMAL.inv_cdf(1 - level) * spread_of_test + NORMAL.inv_cdf(power) * spread
    roughly = math.ceil((errors / (share - bar)) ** 2)
    if roughly > MOST_PROMPTS:
        return None
    return first_enough(lambda n: chance_above(n, bar, share, level) >= power, 1, 4 * roughly + 100, FINENESS)


def smallest_share(n: int, bar: float, level: float = LEVEL, power: float = POWER) -> float | None:
    """Finds the smallest true share above the bar that n responses find with this power. None if there is none."""
    low, high = bar, 1.0
    if chance_above(n, bar, high, level) < power:
        return None
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if chance_above(n, bar, middle, level) >= power else (middle, high)
    return high


def _tails(n: int, share: float) -> Float[np.ndarray, "count"]:
    """Computes the chance of at least k counted responses of n, for every k from 0 to n."""
    factorials, k = log_factorials(n), np.arange(n + 1)
    ways = factorials[n] - factorials - factorials[::-1]
    chances = np.exp(ways + k * math.log(max(share, NEVER)) + (n - k) * math.log(max(1 - share, NEVER)))
    return np.minimum(1.0, np.cumsum(chances[::-1])[::-1])
