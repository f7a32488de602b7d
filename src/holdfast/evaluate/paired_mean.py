"""d = mean of (after_i - before_i) over n samples    t = d / (s / sqrt(n)), s = standard deviation of the differences

The paired t test, for numbers that are not all 0 or 1. Its interval is d -+ q s / sqrt(n), where q is Student's
quantile with n - 1 degrees of freedom. The mean of one log has its interval by the same formula. With a dozen samples
or fewer both are rough. Where all differences are equal, s is 0: p is 0, or 1 if there is no difference.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from holdfast.outcomes import Rate
from holdfast.student_t import chance_within, quantile_95


@dataclass(frozen=True)
class PairedMean:
    """Mean after minus mean before, on the same samples, with its 95% interval."""

    value: float
    low: float
    high: float
    n: int
    """Number of samples that both have a number for."""
    p_value: float
    """p value of the two-sided paired t test that both means are equal."""


def mean_rate(numbers: Sequence[float], unscored: int = 0) -> Rate:
    """Computes the mean with its interval. A single number has none."""
    if not numbers:
        return Rate(None, None, None, 0, unscored)
    mean, n = fmean(numbers), len(numbers)
    if n < 2:
        return Rate(mean, None, None, n, unscored)
    half = quantile_95(n - 1) * standard_error(numbers)
    return Rate(mean, mean - half, mean + half, n, unscored)


def paired_mean(before: Sequence[float], after: Sequence[float]) -> PairedMean | None:
    """Compares two means on the same samples, in the same order. None for fewer than two samples."""
    differences = [second - first for first, second in zip(before, after, strict=True)]
    if len(differences) < 2:
        return None
    mean, error, n = fmean(differences), standard_error(differences), len(differences)
    half = quantile_95(n - 1) * error
    t = abs(mean) / error if error else math.inf if mean else 0.0
    return PairedMean(mean, mean - half, mean + half, n, max(0.0, 1.0 - chance_within(t, n - 1)))


def standard_error(numbers: Sequence[float]) -> float:
    """Standard error of the mean of two or more numbers."""
    return stdev(numbers) / math.sqrt(len(numbers))
