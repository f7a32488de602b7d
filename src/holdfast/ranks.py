"""rho = correlation of ranks   (Spearman; in [-1, 1])"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from holdfast.student_t import Z_95


def rank_correlation(first: Float[Tensor, " entry"], second: Float[Tensor, " entry"]) -> float | None:
    """Spearman's rho in float64, with ties at their mean rank. None where one of the two is constant."""
    rho = float(torch.corrcoef(torch.stack([mean_ranks(first), mean_ranks(second)]))[0, 1])
    return None if math.isnan(rho) else rho


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
    _, place, counts = values.unique(return_inverse=True, return_counts=True)
    return (counts.cumsum(0) - (counts - 1) / 2).double()[place]
