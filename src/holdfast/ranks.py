"""rho = correlation of ranks   (Spearman; in [-1, 1])"""

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from holdfast.student_t import Z_95


def rank_correlation(first: Float[Tensor, " entry"], second: Float[Tensor, " entry"]) -> float | None:
    """Spearman's rho in float64, with ties at their mean rank. None where one of the two is constant."""
    return correlation(mean_ranks(first), mean_ranks(second))


def correlation(first: Float[Tensor, " entry"], second: Float[Tensor, " entry"]) -> float | None:
    """Pearson's r, which of ranks is Spearman's rho. None where one of the two is constant."""
    r = float(torch.corrcoef(torch.stack([first, second]))[0, 1])
    return None if math.isnan(r) else r


def spearman_interval(rho: float, n: int) -> tuple[float, float] | None:
    """The 95% interval of rho over n independent pairs, on Fisher's scale.

    tanh(atanh(rho) -+ 1.96 sqrt((1 + rho^2 / 2) / (n - 3)))       (Bonett and Wright, Psychometrika 65, 2000)
    There is none for fewer than four pairs, or where rho is 1 or -1.
    """
    if n < 4 or abs(rho) >= 1:
        return None
    half = Z_95 * math.sqrt((1 + rho**2 / 2) / (n - 3))
    return math.tanh(math.atanh(rho) - half), math.tanh(math.atanh(rho) + half)


def mean_ranks(values: Float[Tensor, " entry"]) -> Float[Tensor, " entry"]:
    """Ranks every entry, ties at their mean rank, in float64."""
    flat = values.cpu().numpy()
    order = np.argsort(flat)  # twice as fast as torch's sort, and a sort is nearly all of the work
    sorted_values = flat[order]
    starts = np.flatnonzero(np.append(True, sorted_values[1:] != sorted_values[:-1]))[: len(flat)]
    counts = np.diff(starts, append=len(flat))
    ranks = np.empty(len(flat))
    ranks[order] = np.repeat(starts + (counts + 1) / 2, counts)
    return torch.from_numpy(ranks)
