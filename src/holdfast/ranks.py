"""rho = correlation of ranks   (Spearman; in [-1, 1])"""

import math

import torch
from jaxtyping import Float
from torch import Tensor


def rank_correlation(first: Float[Tensor, " entry"], second: Float[Tensor, " entry"]) -> float | None:
    """Spearman's rho, ties at their mean rank, in float64; None where one of the two is the same everywhere."""
    found = float(torch.corrcoef(torch.stack([_mean_ranks(first), _mean_ranks(second)]))[0, 1])
    return None if math.isnan(found) else found


def _mean_ranks(values: Float[Tensor, " entry"]) -> Float[Tensor, " entry"]:
    _, place, counts = values.unique(return_inverse=True, return_counts=True)
    return (counts.cumsum(0) - (counts - 1) / 2).double()[place]
