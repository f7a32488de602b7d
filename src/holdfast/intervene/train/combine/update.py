"""Combines the gradients of several losses once a step, over all of its micro-batches

Each loss is propagated by itself, and its gradient adds up apart from the others'. At the last micro-batch of a step
the combined gradient replaces them. So an update does not depend on how a batch is divided. It needs memory for one
gradient per loss.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from holdfast.intervene.train.combine.weights import Combine, Weights, gram_of

Backward = Callable[[], Tensor]
"""Adds the gradient of one loss on one micro-batch to every `weight.grad`, and returns the loss without a graph."""
Gradient = list[Tensor | None]
"""Gradient of one loss, by weight."""


class Update:
    """Keeps the gradient of each loss until the last micro-batch of a step, and then combines them."""

    def __init__(self, combine: Combine) -> None:
        self._combine = combine
        self._kept: list[Gradient] = []

    def __call__(self, losses: Sequence[Backward], weights: Sequence[Tensor], *, is_last: bool) -> Tensor:
        """Propagates one micro-batch, and returns the sum of its losses.

        Args:
            losses: the losses' backward passes.
            weights: the tensors that the optimizer steps.
            is_last: True for the last micro-batch of a step, which leaves the combined gradient in the weights.
        """
        kept = self._kept or [[None] * len(weights) for _ in losses]
        total = torch.zeros(())
        for place, propagate in enumerate(losses):
            _give(weights, kept[place])
            loss = propagate()
            total = total.to(loss.device) + loss
            kept[place] = [weight.grad for weight in weights]
        self._kept = [] if is_last else kept
        _give(weights, combined(kept, self._combine(gram_of(kept))) if is_last else [None] * len(weights))
        return total


@torch.no_grad()
def combined(gradients: Sequence[Gradient], factors: Weights) -> Gradient:
    """Adds up gradients with these factors, in the memory of the first ones."""
    return [_sum(of_weight, factors) for of_weight in zip(*gradients, strict=True)]


def _sum(gradients: Sequence[Tensor | None], factors: Weights) -> Tensor | None:
    given = [(each, float(factor)) for each, factor in zip(gradients, factors, strict=True) if each is not None]
    if not given:
        return None
    (first, factor), *others = given
    first.mul_(factor)
    for gradient, share in others:
        first.add_(gradient, alpha=share)
    return first


def _give(weights: Sequence[Tensor], gradient: Gradient) -> None:
    for weight, values in zip(weights, gradient, strict=True):
        weight.grad = values
