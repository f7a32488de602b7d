"""rate = (measured + specificity - 1) / (sensitivity + specificity - 1)   (a share, clipped to [0, 1])

The rate that a judge without errors would measure, from the share that the judge counts and its errors on human labels
(Rogan and Gladen, American Journal of Epidemiology 107, 1978). Sensitivity is the share of the responses which people
count that the judge counts too. Specificity is the share of the others that it does not count. Where the two add up to
1 or less, the judge is no better than chance, and there is no such rate.

The interval is that of Lang and Reiczigel (Preventive Veterinary Medicine 113, 2014). It knows that the judge's errors
were measured on a sample. Each share is first moved towards 1/2, with z = 1.96:
    p = (k + z^2 / 2) / (n + z^2)        se, sp = (hits + 1) / (m + 2), each with its own m
    rate = (p + sp - 1) / (se + sp - 1)
    shift = 2 z^2 (rate * se (1 - se) / (m_se + 2) - (1 - rate) * sp (1 - sp) / (m_sp + 2))
    v = (p (1 - p) / (n + z^2) + rate^2 se (1 - se) / (m_se + 2) + (1 - rate)^2 sp (1 - sp) / (m_sp + 2))
        / (se + sp - 1)^2
The ends are rate + shift -+ z sqrt(v), clipped to [0, 1]. Where all of it lies outside [0, 1], the judge's errors on
the labels cannot explain the measured share, and there is no corrected rate.

The correction assumes that the judge errs on the evaluated responses as often as on the labelled ones.
"""

import math
from dataclasses import replace

import numpy as np

from holdfast.evaluate.statistics import Z_95
from holdfast.outcomes import Rate

Numbers = float | np.ndarray


def correct(measured: Rate, sensitivity: Rate, specificity: Rate, *, complement: bool = False) -> Rate:
    """Corrects a measured rate for a judge's known errors.

    Several samples of a prompt count for as much as the interval of the measured rate says.

    Args:
        measured: share of the responses that the judge counts.
        sensitivity: share of the labelled responses which people count that the judge counts too.
        specificity: share of the other labelled responses that the judge does not count.
        complement: whether the measured rate is the share that the judge does not count.

    Raises:
        ValueError: there is no such rate. One of the three was not measured, the judge is no better than chance, or
            the measured rate contradicts the judge's errors.
    """
    if measured.value is None or sensitivity.value is None or specificity.value is None:
        raise ValueError("the rate was not measured, or the labels lack a class")
    tested = (sensitivity.value, sensitivity.n, specificity.value, specificity.n)
    gain = sensitivity.value + specificity.value - 1
    if gain <= 0 or adjusted_gain(*tested) <= 0:
        shares = f"sensitivity {sensitivity.value:.2f} and specificity {specificity.value:.2f}"
        raise ValueError(f"{shares} add up to no more than 1, as for a judge that guesses")
    if complement:
        return correct(measured, specificity, sensitivity)
    value = _clipped((measured.value + specificity.value - 1) / gain)
    low, high = map(float, ends(measured.value, effective_n(measured), *tested))
    if high <= 0 or low >= 1:
        side, share = ("below", 1 - specificity.value) if high <= 0 else ("above", sensitivity.value)
        raise ValueError(
            f"the measured {measured.value:.2f} is {side} the {share:.2f} that the judge's errors alone would give, so "
            "it errs otherwise here"
        )
    return replace(measured, value=value, low=min(_clipped(low), value), high=max(_clipped(high), value))


def ends(
    share: Numbers, n: Numbers, sensitivity: Numbers, n_counted: Numbers, specificity: Numbers, n_others: Numbers
) -> tuple[Numbers, Numbers]:
    """Computes both ends of the 95% interval, not clipped. Takes numbers, or arrays of one shape."""
    p = (share * n + Z_95**2 / 2) / (n + Z_95**2)
    se, sp = _adjusted(sensitivity, n_counted), _adjusted(specificity, n_others)
    gain = se + sp - 1
    rate = (p + sp - 1) / gain
    of_se, of_sp = se * (1 - se) / (n_counted + 2), sp * (1 - sp) / (n_others + 2)
    shift = 2 * Z_95**2 * (rate * of_se - (1 - rate) * of_sp)
    variance = (p * (1 - p) / (n + Z_95**2) + rate**2 * of_se + (1 - rate) ** 2 * of_sp) / gain**2
    half = Z_95 * variance**0.5
    return rate + shift - half, rate + shift + half


def adjusted_gain(sensitivity: float, n_counted: float, specificity: float, n_others: float) -> float:
    """Computes sensitivity + specificity - 1 as the interval uses it. There is no interval where it is 0 or less."""
    return float(_adjusted(sensitivity, n_counted) + _adjusted(specificity, n_others) - 1)


def effective_n(rate: Rate) -> float:
    """Number of independent outcomes that gives the rate's Wilson interval, for at least one outcome.

    It is n for one response per prompt, and less where several samples of a prompt agree. It solves
    half^2 (1 + u)^2 = u p (1 - p) + u^2 / 4 for u = z^2 / n.
    """
    if rate.value is None or rate.low is None or rate.high is None:
        return float(rate.n)
    half, spread = (rate.high - rate.low) / 2, rate.value * (1 - rate.value)
    square, line = half**2 - 0.25, 2 * half**2 - spread
    if square >= 0:  # the interval is all of [0, 1], as without any outcome
        return 1.0
    u = (-line - math.sqrt(max(0.0, line**2 - 4 * square * half**2))) / (2 * square)
    return min(float(rate.n), Z_95**2 / u) if u > 0 else float(rate.n)


def _adjusted(share: Numbers, n: Numbers) -> Numbers:
    return (share * n + 1) / (n + 2)


def _clipped(share: float) -> float:
    return min(1.0, max(0.0, share))
