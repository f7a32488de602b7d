"""Jackknife intervals over parameters: each parameter is left out in turn, to see how far the agreement depends on it.

    v = (G - 1) / G * sum over parameters g of (a_g - mean of a)^2       a_g = the agreement without parameter g
The interval is a -+ t sqrt(v), where t is Student's quantile with G - 1 degrees of freedom (Efron and Tibshirani, An
Introduction to the Bootstrap, 1993, chapter 11). Whole parameters are left out, because the entries of one parameter
depend on each other. IoU keeps its own scale, and a rank correlation uses Fisher's scale atanh.

The interval says how much the agreement depends on single parameters of the model. It says nothing about other prompts,
because one split into halves is one observation. Further seeds and the curve over the number of prompts show those.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from holdfast.student_t import quantile_95
from holdfast.values import Mask

Ends = tuple[float, float] | tuple[None, None]
NO_ENDS: Ends = (None, None)


def iou_interval(first: Mask, second: Mask) -> Ends:
    """The 95% interval over parameters of the IoU of two masks.

    There is none where fewer than two parameters hold a selected entry.
    """
    names = sorted(set(first.indices) | set(second.indices))
    both = [int(torch.isin(first[name], second[name], assume_unique=True).sum()) for name in names]
    either = [len(first[name]) + len(second[name]) - common for name, common in zip(names, both, strict=True)]
    if len(names) < 2:
        return NO_ENDS
    whole, without = sum(both) / sum(either), list(zip(both, either, strict=True))
    low, high = _ends(whole, [(sum(both) - part) / (sum(either) - union) for part, union in without])
    return max(0.0, low), min(1.0, high)


def rank_interval(first: Float[Tensor, " entry"], second: Float[Tensor, " entry"], num_entries: Sequence[int]) -> Ends:
    """The 95% interval over parameters of Spearman's rho, from the ranks of all entries, parameter by parameter.

    `num_entries` are the entries of each parameter. There is no interval for fewer than three parameters, or where rho
    without one parameter is 1, -1 or undefined.
    """
    one, other = (each - each.mean() for each in (first, second))
    products = torch.stack([torch.ones_like(one), one, other, one * one, other * other, one * other])
    sums = torch.stack([part.sum(1) for part in products.split(list(num_entries), dim=1)])
    rhos = _correlations(torch.cat([sums.sum(0, keepdim=True), sums.sum(0) - sums])).tolist()
    if len(num_entries) < 3 or not all(abs(rho) < 1 for rho in rhos):  # not a number is not below 1 either
        return NO_ENDS
    whole, *without = map(math.atanh, rhos)
    low, high = _ends(whole, without)
    return math.tanh(low), math.tanh(high)


def _correlations(sums: Float[Tensor, "subset 6"]) -> Float[Tensor, " subset"]:
    """Pearson's r of every subset, from n and the sums of x, y, x^2, y^2 and xy."""
    n, x, y, xx, yy, xy = sums.T
    return (xy - x * y / n) / ((xx - x * x / n) * (yy - y * y / n)).sqrt()


def _ends(whole: float, without: Sequence[float]) -> tuple[float, float]:
    groups, mean = len(without), sum(without) / len(without)
    spread = (groups - 1) / groups * sum((agreement - mean) ** 2 for agreement in without)
    half = quantile_95(groups - 1) * math.sqrt(spread)
    return whole - half, whole + half
