"""v_target = v_source F,   F = argmin |X F - Y|^2      (a direction carried from one model into another)

X (text, d_source) and Y (text, d_target) are the states of both models at the last token of the same texts, which are
sentences, or prompts in the chat template of each model. Each is taken minus its mean over the texts that F is fitted
on. With X = U S V^T, F = V_r S_r^-1 U_r^T Y keeps the r largest singular values. The fit is rated by the share of the
variance of Y that it explains on texts left out:
    R^2 = 1 - |Y - X F|^2 / |Y - mean|^2
Of the texts 60% fit F, 20% choose r, and 20% give the R^2 that is told.

Source: ConTrans (Dong et al. 2025, COLING, arXiv 2405.13578), which keeps every singular value of 1,600 sentences in
4,096 dimensions, picks one pair of layers by hand, and subtracts no mean. Our deviations: the rank is chosen on texts
left out, R^2 is told for every layer of the target, and the means are subtracted, which a difference vector does not
see. Prompts in place of sentences are ours too (docs/results/transplant.md says what they change).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from holdfast.directions.finding import candidate_layers

FEWEST_TEXTS = 50
RANKS = (4, 8, 16, 32, 64, 128, 256, 512, 1024)
"""Ranks that are tried, below the number of texts and both widths."""


@dataclass(frozen=True)
class Transplant:
    """A map from the states of a source model to those of one layer of a target model."""

    layer: int
    """Layer of the target."""
    matrix: Float[Tensor, "d_source d_target"]
    rank: int
    explained: float
    """R^2 on texts that played no part."""
    shuffled: float
    """R^2 on shuffled texts, so that the two models read different ones. It shows how much chance explains."""


def fit_transplant(
    source: Float[Tensor, "text d_source"],
    target: Float[Tensor, "layer text d_target"],
    *,
    layer: int | None = None,
    seed: int = 0,
) -> list[Transplant]:
    """Fits a map into a given layer of the target, or into each one.

    Args:
        source: states of the source model in the direction's layer.
        target: states of the target model on the same texts, by layer.
        layer: layer of the target. None fits every layer.
        seed: seed of the parts.

    Raises:
        ValueError: fewer than 50 texts, or no such layer.
    """
    count = len(source)
    require_enough(count)
    candidates = candidate_layers(layer, len(target), "the target")
    generator = torch.Generator().manual_seed(seed)
    order, other = torch.randperm(count, generator=generator), torch.randperm(count, generator=generator)
    parts = order.split([count - 2 * (count // 5), count // 5, count // 5])
    decomposed = _decompose(source[parts[0]])
    fitted = []
    for number in candidates:
        matrix, rank = _best(decomposed, source, target[number], parts)
        shuffled, _ = _best(decomposed, source, target[number][other], parts)
        explained = r_squared(matrix, source, target[number], parts[0], parts[2])
        by_chance = r_squared(shuffled, source, target[number][other], parts[0], parts[2])
        fitted.append(Transplant(number, matrix, rank, explained, by_chance))
    return fitted


def require_enough(count: int) -> None:
    """Raises ValueError for too few texts to fit, choose and test a map."""
    if count < FEWEST_TEXTS:
        raise ValueError(
            f"a transplant needs {FEWEST_TEXTS} texts or more, got {count}; give more prompts or sentences."
        )


def r_squared(
    matrix: Float[Tensor, "d_source d_target"],
    source: Float[Tensor, "text d_source"],
    target: Float[Tensor, "text d_target"],
    fitted: Tensor,
    tested: Tensor,
) -> float:
    """Computes the explained share of the variance of the tested texts, with the means of the fitted ones."""
    from_mean = target[tested] - target[fitted].mean(0)
    missed = from_mean - (source[tested] - source[fitted].mean(0)) @ matrix
    return 1.0 - float(missed.square().sum() / from_mean.square().sum())


Decomposed = tuple[Tensor, Tensor, Tensor]


def _decompose(states: Float[Tensor, "text d_source"]) -> Decomposed:
    return torch.linalg.svd(states - states.mean(0), full_matrices=False)


def _best(
    decomposed: Decomposed,
    source: Float[Tensor, "text d_source"],
    target: Float[Tensor, "text d_target"],
    parts: tuple[Tensor, ...],
) -> tuple[Float[Tensor, "d_source d_target"], int]:
    """Returns the map of the rank that explains most on the second part, of several the smallest."""
    left, values, right = decomposed
    most = int((values > values[0] * 1e-6).sum())
    ranks = [*(rank for rank in RANKS if rank < most), most]
    mean = target[parts[0]].mean(0)
    seen = left[:, :most].T @ (target[parts[0]] - mean) / values[:most, None]
    # Each rank explains what the one before it left: one product serves all ranks.
    along = (source[parts[1]] - source[parts[0]].mean(0)) @ right[:most].T
    missed, left_over = target[parts[1]] - mean, {}
    for start, rank in zip([0, *ranks], ranks, strict=False):
        missed = missed - along[:, start:rank] @ seen[start:rank]
        left_over[rank] = float(missed.square().sum())
    best = min(ranks, key=lambda rank: left_over[rank])
    return right[:best].T @ seen[:best], best
