"""p = P[Binomial(n, bar) >= k]   (exact test that a share of n responses, of which k count, lies above a bar)

A small p says that the share is above the bar. The one-sided bounds of the share are those of Clopper and Pearson, each
wrong in at most 5% of cases.
"""

import math

import numpy as np

from holdfast.evaluate.exact_paired import LEVEL, NEVER, log_factorials

HALVINGS = 40


def p_above(n: int, bar: float, counted: int) -> float:
    """Computes the p value against a share of at most the bar."""
    return _chance_of(n, bar, range(counted, n + 1))


def p_below(n: int, bar: float, counted: int) -> float:
    """Computes the p value against a share of at least the bar."""
    return _chance_of(n, bar, range(counted + 1))


def bounds(n: int, counted: int) -> tuple[float, float]:
    """Computes what the share is at least and at most, each wrong in at most 5% of cases."""
    return 1 - _at_most(n, n - counted), _at_most(n, counted)


def _at_most(n: int, counted: int) -> float:
    low, high = counted / n, 1.0
    for _ in range(HALVINGS if counted < n else 0):
        middle = (low + high) / 2
        low, high = (middle, high) if p_below(n, middle, counted) > LEVEL else (low, middle)
    return high


def _chance_of(n: int, share: float, counts: range) -> float:
    """Chance that the number of n responses that count is one of these, for a true share."""
    factorials, k = log_factorials(n), np.asarray(counts)
    within = min(max(share, 0.0), 1.0)
    logs = k * math.log(max(within, NEVER)) + (n - k) * math.log(max(1 - within, NEVER))
    return min(1.0, float(np.exp(factorials[n] - factorials[k] - factorials[n - k] + logs).sum()))
