"""Combines losses into one, in the `compute_loss` of a script   (weights from the gradients of a few parameters)

    loss = sum of weight_i loss_i,    weights = combine(G),    G_ij = <g_i, g_j> over the given parameters

The gradients of the last layer alone stand for those of all weights, which saves their memory and most of the time of
their backward passes. Li et al. 2025 (arXiv 2507.01915) do so with GAPO. They show no proof that the last layer stands
for all. With several rewards, as in GRPO, give each reward's loss with its own advantages, not their sum.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from holdfast.arguments import checked_call, require_options
from holdfast.intervene.method_options import MethodOptions
from holdfast.intervene.train.combine.weights import gram_of
from holdfast.intervene.train.methods import METHODS, method_named, refuse_idle


@checked_call
def combined_loss(
    losses: Sequence[Tensor],
    parameters: Iterable[Tensor],
    method: str = "gapo",
    *,
    options: MethodOptions = MethodOptions(),
) -> Tensor:
    """Returns the weighted sum of losses, on which to call `backward` once.

    Args:
        losses: the losses, each with its graph.
        parameters: the parameters whose gradients set the weights, such as those of the last layer.
        method: mgda, gapo or p_gapo.
        options: `gapo_power` of gapo, or `preferences` of p_gapo.

    Raises:
        ValueError: the method combines no gradients, there is one loss, or a loss depends on none of the parameters.
    """
    require_options(options, MethodOptions)
    _require_tensors("losses", losses)
    row = method_named(method)
    refuse_idle(row, options)
    if row.parts.combine is None or row.parts.losses:
        known = [name for name, each in METHODS.items() if each.parts.combine and not each.parts.losses]
        raise ValueError(f"method {method} combines no losses that are given; choose one of {', '.join(known)}.")
    if len(losses) < 2:
        raise ValueError(f"there are several losses to combine, and {len(losses)} were given; give two or more.")
    wanted = list(parameters) if isinstance(parameters, Iterable) else parameters
    _require_tensors("parameters", wanted)
    gradients = [_gradient(loss, wanted, place) for place, loss in enumerate(losses)]
    weights = row.parts.combine(options)(gram_of(gradients))
    first, *others = [float(weight) * loss for weight, loss in zip(weights, losses, strict=True)]
    return sum(others, first)


def _require_tensors(name: str, given: object) -> None:
    """Raises ValueError for anything but a list of tensors."""
    if not isinstance(given, Sequence) or not all(isinstance(each, Tensor) for each in given):
        raise ValueError(f"{name} must be a list of tensors, got {type(given).__name__}; give tensors.")


def _gradient(loss: Tensor, parameters: Sequence[Tensor], place: int) -> list[Tensor | None]:
    # With allow_unused a gradient may be None, which torch's annotation leaves out.
    gradient: list[Tensor | None] = [*torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)]
    if all(values is None for values in gradient):
        raise ValueError(f"loss {place} depends on none of the given parameters; give others.")
    return gradient
