"""Ways to combine the gradients of several losses are functions from their inner products to a weight for each

    update = sum over losses of weight_i g_i,    weights = combine(G),    G_ij = <g_i, g_j>

Every way in this folder needs the gradients' inner products alone: MGDA, GAPO, P-GAPO and SafeGrad. So a new way is one
function of a small matrix, and works on dense gradients, on SET's packed entries and in any trainer.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float64
from torch import Tensor

Gram = Float64[Tensor, "*batch loss loss"]
"""Inner products of the losses' gradients."""
Weights = Float64[Tensor, "*batch loss"]
"""Factor of each loss's gradient in the update."""
Combine = Callable[[Gram], Weights]


def gram_of(gradients: Sequence[Sequence[Tensor | None]]) -> Gram:
    """Returns the inner products of gradients, each given as one tensor per weight. None is a gradient of zero.

    Products of a weight's entries add up in float32, and those of all weights in float64.
    """
    rows = [[_product(one, other) for other in gradients[: place + 1]] for place, one in enumerate(gradients)]
    flat = torch.stack([product for row in rows for product in row]).cpu()  # one copy from the device
    gram = torch.zeros(len(gradients), len(gradients), dtype=torch.float64)
    gram[tuple(torch.tril_indices(*gram.shape))] = flat
    return gram + gram.tril(-1).T


def unit_sum(weights: Weights) -> Weights:
    """Rescales weights to a sum of 1, so that the learning rate keeps its meaning. All zeros stay zeros."""
    total = weights.sum()
    return weights / total if total > 0 else weights


def _product(one: Sequence[Tensor | None], other: Sequence[Tensor | None]) -> Tensor:
    products = [
        torch.dot(left.flatten().float(), right.flatten().float()).double()
        for left, right in zip(one, other, strict=True)
        if left is not None and right is not None
    ]
    return torch.stack(products).sum() if products else torch.zeros((), dtype=torch.float64)
