"""b <- b + c * norm * u,  or  W <- W + c * norm * u g^T                     (a concept that is always on, for good)

W (d_model, d_mlp) is the matrix by which the MLP of the direction's layer writes to the residual stream, b its bias. u
is the direction with length 1, norm the median length of the states where it was found, and c the coefficient, as in
`steer`.

    with a bias     every state moves by c * norm * u, as steering at all positions moves it
    without one     a state moves by c * norm * u * (g . x), where x are the neurons that W reads at this token

    g = a (S + r t I)^-1 m,  with a so that g . m = 1      m = mean of x,  S = mean of x x^T,  t = mean of S's diagonal

So without a bias the shift is c * norm * u on average over the tokens that m and S were read at, and g makes it as even
as ridge regression can, which fits g . x to 1. r is the ridge. The larger it is, the closer g is to m / (m . m), the
smallest g, whose shift varies most. The products are computed in float64 and rounded once, to the checkpoint's dtype.

Source: that a bias replaces steering at all positions follows from the formulas. The rank-one form is ours. We know no
paper that states it.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from holdfast.values import Direction

RIDGE = 0.1
"""r, relative to the mean square of a neuron."""


def shift_along(direction: Direction, coefficient: float) -> Float[Tensor, " d_model"]:
    """Computes by how much steering with this coefficient moves a state, float64."""
    unit = direction.vector.double() / direction.vector.double().norm()
    return coefficient * direction.norm * unit


def gain_of(neurons: Float[Tensor, "token d_mlp"], mean: Float[Tensor, " d_mlp"]) -> Float[Tensor, " d_mlp"]:
    """Computes g, float64, from the kernel of the tokens: X^T (X X^T + n r t I)^-1 1 is a multiple of (S + r t I)^-1 m.

    Args:
        neurons: x at n tokens.
        mean: m, over these tokens or more.

    Raises:
        ValueError: the mean is zero, or a value is not finite.
    """
    inputs, mean = neurons.double(), mean.double()
    length = float(mean.norm())
    if not 0 < length < float("inf") or not bool(torch.isfinite(inputs).all()):
        raise ValueError(
            f"the neurons that the layer's MLP writes from have a mean of length {length:g} over these prompts, so no "
            "matrix turns it into a shift; give other prompts, or find the direction in another layer."
        )
    kernel = inputs @ inputs.T
    kernel.diagonal().add_(len(inputs) * RIDGE * float(inputs.square().mean()))
    gain = inputs.T @ torch.linalg.solve(kernel, torch.ones(len(inputs), dtype=torch.float64))
    return gain / (gain @ mean)


def with_bias(bias: Float[Tensor, " d_model"], shift: Float[Tensor, " d_model"]) -> Float[Tensor, " d_model"]:
    """Adds the shift to a bias, in its dtype."""
    return _finite(bias, bias.double() + shift)


def with_rank_one(
    weight: Float[Tensor, "d_out d_in"],
    shift: Float[Tensor, " d_model"],
    gain: Float[Tensor, " d_mlp"],
    *,
    inputs_first: bool,
) -> Float[Tensor, "d_out d_in"]:
    """Adds the rank-one update to a matrix, in its dtype.

    Args:
        weight: the matrix, (d_model, d_mlp), or (d_mlp, d_model) if inputs come first.
        shift: the shift of a state whose neurons are the mean.
        gain: g, which reads the neurons.
        inputs_first: how the matrix is stored.
    """
    update = torch.outer(gain, shift) if inputs_first else torch.outer(shift, gain)
    return _finite(weight, weight.double() + update)


def _finite(old: Tensor, new: Tensor) -> Tensor:
    """Rounds to the old dtype. Raises ValueError for values that are too large for it."""
    rounded = new.to(old.dtype)
    if bool(torch.isfinite(old).all()) and not bool(torch.isfinite(rounded).all()):
        raise ValueError(f"this coefficient makes weights too large for {old.dtype}; give a smaller one.")
    return rounded
