"""Gradients of a linear layer's selected weights alone   (y = x W^T:  dS/dW_ij = sum over tokens of dy_i x_j)

The ordinary backward pass computes the gradient of every weight, of which SET keeps 1%. On a CPU it takes a third of a
training step. Here only the selected products are computed (MKL's sampled matrix product), straight into their places
of the packed gradient. Above a density of 2% the dense product is faster and is kept.

A model may use a layer's weights without calling the layer. So each layer computes both gradients until the first step,
and only where they agree the dense one is left out from then on.
"""

import math
import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Self

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from holdfast.intervene.entries import Entries

LARGEST_DENSITY = 0.02
"""Share of selected weights up to which the selected products take less time than all of them."""
CLOSE = 0.02
"""Largest difference of both gradients, as a share of the dense one's norm. bfloat16 rounds to 0.004."""


class SampledGradient:
    """The gradient of the selected weights of one linear layer."""

    def __init__(self, layer: nn.Linear, entry: Entries, deliver: Callable[[Tensor], None]) -> None:
        """Makes the pattern of the selected weights. `deliver` adds a gradient of them to where it is needed."""
        self._layer, self._deliver = layer, deliver
        self._pattern = _pattern(entry.index, layer.weight.shape)
        self._anchor = torch.zeros((), requires_grad=True)
        """Makes autograd call `add` also where neither the inputs nor the weight need a gradient."""
        self._sum: Tensor | None = None
        self._agreed: bool | None = None

    def listen(self) -> RemovableHandle:
        """Follows the layer's calls."""
        return self._layer.register_forward_hook(self._tap)

    def add(self, upstream: Tensor, inputs: Tensor) -> None:
        """Adds the products of the output's gradient and the inputs, each of one row a token."""
        with torch.autocast("cpu", enabled=False):
            rows = upstream.reshape(-1, upstream.shape[-1]).float().T, inputs.reshape(-1, inputs.shape[-1]).float()
            products = torch.sparse.sampled_addmm(self._pattern, *rows, beta=0.0).values()
        if self._layer.weight.requires_grad:
            self._sum = products if self._sum is None else self._sum + products
        else:
            self._deliver(products)

    def beside(self, dense: Tensor) -> Tensor:
        """Returns the sampled gradient of a backward pass where it agrees with this dense one, and else the dense."""
        sampled, self._sum = self._sum, None
        dense = dense.float()
        size = float(dense.norm())
        if sampled is None or not 0 < size < math.inf:
            return dense
        agrees = float((sampled - dense).norm()) <= CLOSE * size
        self._agreed = agrees and self._agreed is not False
        return sampled if agrees else dense

    def leave_out_dense(self) -> None:
        """Has autograd compute no dense gradient any more, if both agreed so far."""
        if self._agreed:
            self._layer.weight.requires_grad_(False)

    def close(self) -> None:
        """Has autograd compute the dense gradient again."""
        self._layer.weight.requires_grad_(True)

    def __deepcopy__(self, _: object) -> Self:
        """Returns itself, which ignores the calls of a copied layer."""
        return self

    def _tap(self, layer: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
        if layer is not self._layer or not torch.is_grad_enabled() or torch.compiler.is_compiling():
            return None
        return _Tap.apply(output, arguments[0].detach(), self._anchor, self)  # pyright: ignore[reportReturnType]


def fits(layers: Sequence[nn.Module], entry: Entries) -> bool:
    """Returns True where selected products take less time: in one linear layer on a CPU, of few selected weights."""
    on_cpu = type(entry.weight.data) is Tensor and entry.weight.device.type == "cpu"
    is_linear = len(layers) == 1 and type(layers[0]) is nn.Linear
    is_sparse = len(entry) <= LARGEST_DENSITY * entry.weight.numel()
    return on_cpu and is_linear and is_sparse and torch.backends.mkl.is_available()


def owners_of(model: nn.Module) -> dict[Tensor, list[nn.Module]]:
    """Returns the modules that hold each parameter. A tied parameter has several."""
    owners: dict[Tensor, list[nn.Module]] = defaultdict(list)
    for module in model.modules():
        for weight in module.parameters(recurse=False):
            owners[weight].append(module)
    return owners


def _pattern(index: Tensor, shape: torch.Size) -> Tensor:
    """Returns the selected places as a sparse matrix of zeros, its values in the order of the ascending flat index."""
    starts = torch.zeros(shape[0] + 1, dtype=torch.int64)
    starts[1:] = torch.bincount(index // shape[1], minlength=shape[0]).cumsum(0)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(starts, index % shape[1], torch.zeros(len(index)), shape, check_invariants=True)


class _Tap(torch.autograd.Function):
    """Passes a layer's output on, and on the way back hands its gradient to a SampledGradient."""

    @staticmethod
    def forward(ctx, output: Tensor, inputs: Tensor, anchor: Tensor, sampled: SampledGradient) -> Tensor:
        ctx.mark_dirty(output)
        ctx.save_for_backward(inputs)
        ctx.sampled = sampled
        return output

    @staticmethod
    def backward(ctx, upstream: Tensor) -> tuple[Tensor, None, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (inputs,) = ctx.saved_tensors
        ctx.sampled.add(upstream, inputs)
        return upstream, None, None, None
