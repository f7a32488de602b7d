"""a_i = (end_i - start_i) * sum over k of w_k * dF/dx_i at start + alpha_k (end - start)   (units of F)

Integrated gradients (Sundararajan et al. 2017, arXiv 1703.01365) over activations x. The whole vector moves in a
straight line from start to end, in m steps. alpha_k is k/m from 0 (left rule), from 1 (right rule), or (k + 1/2)/m
(midpoint rule), with w_k = 1/m. The rule of Gauss and Legendre has its own places and weights, closer together at the
ends. It is the default, because F bends most where activations are nearly zero. A large value means that this
activation's move raises F. The values add up to F(end) - F(start), up to the error of the sum, which every attribution
records: the completeness error.

DEPN (EMNLP 2023, arXiv 2310.20138) starts from zero with the left rule, IRCAN (arXiv 2406.18406) from the activations
without a context. IRCAN's released code multiplies every gradient by alpha_k. That variant is kept as `alpha_weighted`,
and it does not add up to F(end) - F(start).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

Rule = Literal["gauss_legendre", "left", "right", "midpoint"]
OFFSETS: dict[Rule, float] = {"left": 0.0, "right": 1.0, "midpoint": 0.5}
STEPS = 20
"""Default number of steps, as in both papers."""
ALLOWED_GAP = 0.05
"""Completeness error from which on a score carries a warning: too few steps, or a variant that does not add up."""


@dataclass(frozen=True, eq=False)
class Attribution:
    """The attribution of one objective to activations, with the difference that it should add up to."""

    values: Float[Tensor, "..."]
    """Attributions in the activations' shape, float32 or wider."""
    difference: float
    """F(end) - F(start)."""

    @property
    def gap(self) -> float:
        """Sum of the attributions minus the difference to which they should add up."""
        return float(self.values.double().sum()) - self.difference


@dataclass(frozen=True, eq=False)
class Nodes:
    """Places on the line, 0 at the start and 1 at the end, where gradients are taken, with their weights."""

    alphas: Float[Tensor, " point"]
    weights: Float[Tensor, " point"]


def nodes(steps: int, rule: Rule) -> Nodes:
    """Returns the places and weights of a rule with this many steps."""
    if rule == "gauss_legendre":
        places, weights = np.polynomial.legendre.leggauss(steps)
        return Nodes(torch.from_numpy((places + 1) / 2), torch.from_numpy(weights / 2))
    return Nodes((torch.arange(steps).double() + OFFSETS[rule]) / steps, torch.ones(steps).double() / steps)


def integrated_gradients(
    value_at: Callable[[Float[Tensor, "point ..."]], Float[Tensor, " point"]],
    start: Float[Tensor, "..."],
    end: Float[Tensor, "..."],
    at: Nodes,
    *,
    at_once: int = STEPS,
    alpha_weighted: bool = False,
) -> Attribution:
    """Attributes F(end) - F(start) to the activations that move.

    Args:
        value_at: F at several points at once, each of the activations' shape.
        start: activations at which the line begins.
        end: activations at which it ends.
        at: where gradients are taken, as `nodes` returns them.
        at_once: number of points in one call of `value_at`.
        alpha_weighted: multiplies each gradient by its alpha, as IRCAN's released code does.
    """
    total = torch.zeros_like(start, dtype=torch.promote_types(start.dtype, torch.float32))
    for alphas, weights in zip(at.alphas.split(at_once), at.weights.split(at_once), strict=True):
        along, weight = (each.view(-1, *[1] * start.dim()).to(start) for each in (alphas, weights))
        points = (start + along * (end - start)).detach().requires_grad_()
        with torch.enable_grad():
            (gradients,) = torch.autograd.grad(value_at(points).sum(), points)
        total += (weight * (gradients * along if alpha_weighted else gradients)).to(total.dtype).sum(0)
    with torch.no_grad():
        at_start, at_end = value_at(torch.stack([start, end])).tolist()
    return Attribution((end - start).to(total.dtype) * total, at_end - at_start)


def completeness_error(attributions: Sequence[Attribution]) -> float | None:
    """Returns the sum of all gaps over the sum of all differences, both without sign. None where nothing differs."""
    differences = sum(abs(each.difference) for each in attributions)
    return sum(abs(each.gap) for each in attributions) / differences if differences else None
