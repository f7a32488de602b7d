"""p = largest chance, over psi, of a T at least as large as the measured one   (exact test of a paired rise > margin)

Of n prompts answered under two checkpoints, b count only before and c only after, with chances p_b and p_c. The test
is against p_c - p_b <= margin. A small p says that the rate rose by more. T is Tango's score statistic
    T = (c - b - n margin) / sqrt(n (psi - margin^2))        psi = p_b + p_c
where psi is the most likely share of prompts that change if the rise equals the margin: with p = p_b,
    2n p^2 - (b (1 - margin) + c (1 + margin) - 2n margin) p - b margin (1 - margin) = 0
The largest chance is sought over the values of psi that explain b + c at a level gamma of 0.001, which is then added to
p (Berger and Boos). So the test is wrong in at most 5% of cases whatever psi is, also for few prompts.

Where that p is at most 0.002, p is computed again with a gamma of one in a million, and is 0.002 at most. So p can be
as small as a gate of many conditions asks for. It stays a p value: for levels from 0.002 on the first one decides
alone, and for smaller levels the second one alone.

With a margin of 0, T is McNemar's statistic, and the test is the exact unconditional one of Suissa and Shuster. It
finds a little more than McNemar's exact test, which also fixes b + c.

T. Tango, Statistics in Medicine 17 (1998). S. Suissa, J. Shuster, Biometrics 47 (1991). H. Hsueh, J. Liu, J. Chen,
Biometrics 57 (2001). R. Berger, D. Boos, J. Am. Stat. Assoc. 89 (1994).
"""

import math
from functools import lru_cache
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

NORMAL = NormalDist()
Counts = Int[np.ndarray, "table"]
GAMMA, FINE_GAMMA = 0.001, 1e-6
"""Levels at which values of psi are ruled out. The second is for small p values."""
FINE_BELOW = 2 * GAMMA
"""Largest p that is computed again with the finer level."""
SPREADS = {GAMMA: (4, 6), FINE_GAMMA: (6, 9)}
"""Standard errors of the square root of a share within which psi is sought below and above, by gamma."""
LEVEL = 0.05
"""Chance of a wrong decision that a one-sided test may have."""
STEPS_PER_ERROR = 4
"""Values of psi tried within one standard error of its square root."""
FEWEST_STEPS = 64
REACH = 6.0
"""Standard deviations within which counts are summed. Beyond lie 2e-9 of them."""
TOLERANCE = 1e-4
"""Precision of a bound."""
MOST_SECANTS = 12
NEVER = 1e-300
"""Stands for a chance of 0, whose logarithm would be infinite."""


def p_above(
    n: int, margin: float, only_before: Counts, only_after: Counts, *, level: float = 0.0
) -> Float[np.ndarray, "table"]:
    """Computes the p value of every table against a rise of at most the margin.

    Args:
        n: number of prompts.
        margin: the rise that is allowed, in (-1, 1). It is negative if a fall is asked for.
        only_before: number of prompts that count only before, in each table.
        only_after: number of prompts that count only after.
        level: the level that decides. From 0.002 on it needs no finer p, which saves time.
    """
    p_values = _p_above(n, margin, only_before, only_after, GAMMA)
    small = p_values <= FINE_BELOW
    if level < FINE_BELOW and small.any():
        finer = _p_above(n, margin, only_before[small], only_after[small], FINE_GAMMA)
        p_values[small] = np.minimum(finer, FINE_BELOW)
    return p_values


def _p_above(
    n: int, margin: float, only_before: Counts, only_after: Counts, gamma: float
) -> Float[np.ndarray, "table"]:
    """Computes the p values with one gamma."""
    changed, places = np.unique(only_before + only_after, return_inverse=True)
    shares, explained = _plausible(n, margin, changed, gamma)
    scores = score(n, margin, only_before, only_after)
    # If so few prompts change that no psi explains them, the rise is clearly below a margin above 0, and vice versa.
    largest = np.where((scores <= 0) & ~np.any(explained, axis=0)[places], 1.0, 0.0)
    if len(shares):
        tail = _tail(n, margin, shares, lowest=float(scores.min()))
        ends = np.searchsorted(-tail.scores, -scores + 1e-9, side="right")  # equal scores belong to the tail
        for share, explains in zip(shares, explained[:, places], strict=True):
            sums = np.concatenate([[0.0], np.cumsum(tail.chances(share))])
            largest = np.maximum(largest, np.where(explains, sums[ends], 0.0))
    return np.minimum(1.0, largest + gamma)


def p_below(n: int, margin: float, only_before: Counts, only_after: Counts) -> Float[np.ndarray, "table"]:
    """Computes the p value of every table against a rise of at least the margin."""
    return p_above(n, -margin, only_after, only_before)


def bounds(n: int, only_before: int, only_after: int) -> tuple[float, float]:
    """Computes what the rise is at least and at most, each wrong in at most 5% of cases."""
    return -_at_most(n, only_after, only_before), _at_most(n, only_before, only_after)


def _at_most(n: int, only_before: int, only_after: int) -> float:
    """Finds, by secants and to 0.0001, the smallest margin that the test shows the rise to be below."""
    rise, error = (only_after - only_before) / n, math.sqrt(max(only_before + only_after, 1)) / n
    tables, z = (np.array([only_before]), np.array([only_after])), NORMAL.inv_cdf(1 - LEVEL)

    def excess(margin: float) -> float:
        """Grows with the margin, and is 0 at the bound."""
        p_value = float(p_below(n, margin, *tables)[0])
        return -NORMAL.inv_cdf(min(p_value, 1 - 1e-9)) - z

    largest = 1 - TOLERANCE
    last, margin = rise, min(rise + z * error, largest)
    known, found = -z, excess(margin)
    for _ in range(MOST_SECANTS):
        if abs(margin - last) < TOLERANCE or found == known:
            break
        following = margin - found * (margin - last) / (found - known)
        last, margin, known = margin, min(max(following, rise), largest), found
        found = excess(margin)
    return 1.0 if margin == largest else margin


def score(
    n: int, margin: float, only_before: Int[np.ndarray, "*#table"], only_after: Int[np.ndarray, "*#table"]
) -> Float[np.ndarray, "*table"]:
    """Computes T for every table. It is 0 where both sides of its fraction are."""
    if margin < 0:
        return -score(n, -margin, only_after, only_before)
    linear = only_before * (1 - margin) + only_after * (1 + margin) - 2 * n * margin
    p_before = (linear + np.sqrt(linear**2 + 8 * n * only_before * margin * (1 - margin))) / (4 * n)
    spread = n * np.maximum(2 * p_before + margin - margin**2, 0.0)
    distance = only_after - only_before - n * margin
    return np.where(spread > 1e-12, distance / np.sqrt(np.maximum(spread, 1e-12)), 0.0)


class _Tail(NamedTuple):
    """Tables with the largest scores, the largest first."""

    margin: float
    scores: Float[np.ndarray, "tail"]
    before: Int[np.ndarray, "tail"]
    after: Int[np.ndarray, "tail"]
    same: Int[np.ndarray, "tail"]
    ways: Float[np.ndarray, "tail"]
    """Logarithm of the number of ways to choose the prompts."""

    def chances(self, share: float) -> Float[np.ndarray, "tail"]:
        """Chance of every table if this share of prompts changes, and the rise equals the margin."""
        odds = [max(one, NEVER) for one in ((share - self.margin) / 2, (share + self.margin) / 2, 1 - share)]
        before, after, same = map(math.log, odds)
        return np.exp(self.ways + self.before * before + self.after * after + self.same * same)


def _tail(n: int, margin: float, shares: Float[np.ndarray, "psi"], lowest: float) -> _Tail:
    """Lists the tables whose score is at least `lowest`, as far as any of the shares makes them possible."""
    fewest, most = float(shares[0]), float(shares[-1])
    before = likely_counts(n, (fewest - margin) / 2, (most - margin) / 2)[:, None]
    after = likely_counts(n, (fewest + margin) / 2, (most + margin) / 2)[None, :]
    scores = score(n, margin, before, after)
    rows, columns = np.nonzero((scores >= lowest - 1e-9) & (before + after <= n))
    order = np.argsort(-scores[rows, columns], kind="stable")
    b, c = before[rows[order], 0], after[0, columns[order]]
    factorials = log_factorials(n)
    ways = factorials[n] - factorials[b] - factorials[c] - factorials[n - b - c]
    return _Tail(margin, scores[rows[order], columns[order]], b, c, n - b - c, ways)


def likely_counts(n: int, lowest: float, highest: float) -> Int[np.ndarray, "count"]:
    """Lists the counts of n prompts that chances between these two make possible."""
    first = n * lowest - REACH * math.sqrt(max(n * lowest, 0.0)) - 1
    last = n * highest + REACH * math.sqrt(max(n * highest, 0.0)) + REACH**2 / 2
    return np.arange(max(0, math.floor(first)), min(n, math.ceil(last)) + 1)


def _plausible(
    n: int, margin: float, changed: Int[np.ndarray, "changed"], gamma: float
) -> tuple[Float[np.ndarray, "psi"], Bool[np.ndarray, "psi changed"]]:
    """Lists the shares psi that explain one of these numbers of changed prompts, and which of them each explains.

    The shares lie on a grid. The neighbours of a share that explains a number are taken to do so too.
    """
    root = math.sqrt(abs(margin))
    steps = max(FEWEST_STEPS, round(2 * STEPS_PER_ERROR * math.sqrt(n)))
    roots = np.linspace(root, 1.0, steps + 1)
    error = 1 / (2 * math.sqrt(n))  # the largest standard error of the square root of a share
    below, above = SPREADS[gamma]
    lowest, highest = math.sqrt(changed[0] / n) - below * error, math.sqrt(changed[-1] / n) + above * error
    near = roots[(roots > lowest - 1 / steps) & (roots < highest + 1 / steps)] ** 2
    explained = _explained(n, near, changed, gamma)
    wider = explained.copy()
    wider[1:] |= explained[:-1]
    wider[:-1] |= explained[1:]
    used = wider.any(axis=1)
    return near[used], wider[used]


def _explained(
    n: int, shares: Float[np.ndarray, "psi"], changed: Int[np.ndarray, "changed"], gamma: float
) -> Bool[np.ndarray, "psi changed"]:
    """True for the numbers of changed prompts that are neither too small nor too large for a share."""
    factorials, counts, chances = log_factorials(n), np.arange(n + 1), shares[:, None]
    ways = factorials[n] - factorials - factorials[::-1]
    logs = counts * np.log(np.maximum(chances, NEVER)) + (n - counts) * np.log(np.maximum(1 - chances, NEVER))
    exact = np.exp(ways + logs)
    at_most = np.cumsum(exact, axis=1)[:, changed]
    at_least = 1 - at_most + exact[:, changed]
    return (at_most > gamma / 2) & (at_least > gamma / 2)


@lru_cache(maxsize=64)
def log_factorials(n: int) -> Float[np.ndarray, "count"]:
    """Computes log k! for every k from 0 to n."""
    return np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
