"""y = x E^T,  E = W + s B A, but E = W at the mask's entries   (SPA's hold under LoRA and QLoRA)

A product of rank r changes every entry of a matrix, so masking the gradients of A and B can hold no single entry. The
hold therefore acts on the effective weight E. In the forward pass its protected entries equal W's bit for bit. No
gradient flows through them: with G = (dL/dy)^T x and H its protected entries, B has the gradient s (G - H) A^T and A
has s B^T (G - H).

Every pass computes E again, at d_out * d_in * r multiplications for any number of tokens. E replaces W in the base's
own product, so there are as many dense products as in plain LoRA, and no layer keeps its E. G is never computed: H is
a sampled product over the mask's entries. Time relative to plain LoRA's linear layers, measured on two busy cores at
1%, hidden sizes 128 to 2048 and 512 to 4096 tokens:
- subtracting a sparse product of s B A: 1.4 to 2.9
- computing G: 0.8 to 2.1
- sampling H: 1.0 to 2.1, and 1.0 to 1.3 from 2,048 tokens at widths of 512 and more

In three cases s B A without its protected entries gets a product of its own: W is quantised and can't be read, W is in
half precision and W + s B A would lose small changes, or LoRA uses dropout. The adapters' gradients have at least
float32 precision.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from peft.tuners.lora.layer import LoraLayer
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx
from transformers.pytorch_utils import Conv1D

from holdfast.intervene.entries import Entries


@dataclass(frozen=True, eq=False)
class Held:
    """The protected entries of one matrix, in the layout of its weight."""

    index: Int[Tensor, " selected"]
    pattern: Float[Tensor, "rows columns"]
    """The protected entries as a sparse matrix of zeros."""
    transposed: bool
    """True where the layout is (d_in, d_out), as in a Conv1D."""

    def effective(
        self,
        weight: Float[Tensor, "rows columns"] | None,
        left: Float[Tensor, "rows rank"],
        right: Float[Tensor, "rank columns"],
    ) -> Float[Tensor, "rows columns"]:
        """Adds the factors' product to W, except at the protected entries, which equal W bit for bit.

        Without `weight` it returns the product alone, with zeros at the protected entries.
        """
        if weight is None:
            update = left @ right
            update.view(-1).index_fill_(0, self.index, 0)
            return update
        effective = torch.addmm(weight, left, right)
        effective.view(-1).index_copy_(0, self.index, weight.view(-1).index_select(0, self.index))
        return effective


class _Context(FunctionCtx):
    """Values that the forward pass keeps for the backward pass."""

    held: Held
    saved_tensors: tuple[Tensor, Tensor, Tensor, Tensor | None]
    needs_input_grad: tuple[bool, ...]


class _HeldProduct(torch.autograd.Function):
    """Product of x with the effective weight of `left @ right`, without autocast."""

    @staticmethod
    def forward(
        ctx: "_Context",
        x: Float[Tensor, "token d_in"],
        left: Float[Tensor, "rows rank"],
        right: Float[Tensor, "rank columns"],
        weight: Float[Tensor, "rows columns"] | None,
        held: Held,
    ) -> Float[Tensor, "token d_out"]:
        """Computes the product in the dtype of x. With `weight` None it leaves out the base's part."""
        ctx.save_for_backward(x, left, right, weight)  # pyright: ignore[reportArgumentType]
        ctx.held = held
        with torch.autocast(x.device.type, enabled=False):
            effective = held.effective(weight, left, right).to(x.dtype)
            return x @ (effective if held.transposed else effective.t())

    @staticmethod
    def backward(ctx: "_Context", *grads: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Computes the gradients of x and of the two factors. The base's weight has none."""
        (x, left, right, weight), (grad,), held = ctx.saved_tensors, grads, ctx.held
        with torch.autocast(x.device.type, enabled=False):
            grad_x = None
            if ctx.needs_input_grad[0]:
                effective = held.effective(weight, left, right).to(x.dtype)
                grad_x = grad @ (effective.t() if held.transposed else effective)
            of_rows, of_columns = (x, grad) if held.transposed else (grad, x)
            return grad_x, *_factor_gradients(of_rows, of_columns, left, right, held), None, None


def _factor_gradients(
    of_rows: Float[Tensor, "token rows"],
    of_columns: Float[Tensor, "token columns"],
    left: Float[Tensor, "rows rank"],
    right: Float[Tensor, "rank columns"],
    held: Held,
) -> tuple[Float[Tensor, "rows rank"], Float[Tensor, "rank columns"]]:
    """Computes (G - H) right^T and left^T (G - H), where G = of_rows^T of_columns, in the dtype of the factors."""
    dtype = held.pattern.dtype
    of_rows, of_columns, wide_left, wide_right = (part.to(dtype) for part in (of_rows, of_columns, left, right))
    # The sampled product reads the tokens of one entry as neighbours in memory, and would copy any other layout.
    protected = torch.sparse.sampled_addmm(
        held.pattern, of_rows.t().contiguous(), of_columns.t().contiguous().t(), beta=0.0
    )
    grad_left = of_rows.t() @ (of_columns @ wide_right.t()) - protected @ wide_right.t()
    grad_right = (of_rows @ wide_left).t() @ of_columns - wide_left.t() @ protected
    return grad_left.to(left.dtype), grad_right.to(right.dtype)


class HeldLayer(nn.Module):
    """Mixin in front of a LoRA layer's class, e.g. `lora.Linear`, while the layer is held."""

    held: Held
    # Attributes of a LoRA layer. LoraLayer itself as a base class would change the layout of the object.
    disable_adapters: bool
    merged: bool
    active_adapters: list[str]
    lora_A: nn.ModuleDict  # noqa: N815
    lora_B: nn.ModuleDict  # noqa: N815
    lora_dropout: nn.ModuleDict
    scaling: dict[str, float]
    base_layer: nn.Module
    get_base_layer: Callable[[], nn.Linear | Conv1D]

    def forward(
        self, x: Float[Tensor, "*batch d_in"], *args: object, **kwargs: object
    ) -> Float[Tensor, "*batch d_out"]:
        """Applies the base layer with the effective weight of all active adapters."""
        if kwargs.pop("adapter_names", None) is not None:
            raise ValueError("protect_lora can't hold a batch of several adapters; run one adapter at a time.")
        if self.disable_adapters or self.merged:
            return super().forward(x, *args, **kwargs)
        names = [name for name in self.active_adapters if name in self.lora_A]
        base = self.get_base_layer()
        if len(names) == 1 and self._folds(x, names[0]):
            result = self._product(x, names[0], base.weight.detach())
            return result if base.bias is None else result + base.bias
        result = self.base_layer(x, *args, **kwargs)
        for name in names:
            result = result + self._product(self.lora_dropout[name](x).to(result.dtype), name)
        return result

    def merge(self, safe_merge: bool = False, adapter_names: list[str] | None = None) -> None:
        """Merges as PEFT does, and restores the bits of the protected entries."""
        refuse_quantised("a held layer", self)
        with self._bits_kept():
            super().merge(safe_merge, adapter_names)  # pyright: ignore[reportAttributeAccessIssue]

    def unmerge(self) -> None:
        """Unmerges as PEFT does, and keeps the bits of the protected entries."""
        with self._bits_kept():
            super().unmerge()  # pyright: ignore[reportAttributeAccessIssue]

    @contextmanager
    def _bits_kept(self) -> Iterator[None]:
        entry = Entries("", self.get_base_layer().get_parameter("weight"), self.held.index)
        values = entry.read()
        yield
        entry.write(values)

    def _folds(self, x: Tensor, name: str) -> bool:
        """True where the effective weight may replace W: no rounding, no dropout, and a plain linear base layer."""
        base, dropout = self.get_base_layer(), self.lora_dropout[name]
        return (
            type(base) in (nn.Linear, Conv1D)
            and x.dtype == base.weight.dtype == self.lora_A[name].weight.dtype
            and x.dtype in (torch.float32, torch.float64)
            and not base.weight.is_meta
            and not torch.is_autocast_enabled(x.device.type)
            and not (self.training and isinstance(dropout, nn.Dropout))
        )

    def _product(
        self, x: Float[Tensor, "*batch d_in"], name: str, weight: Float[Tensor, "rows columns"] | None = None
    ) -> Float[Tensor, "*batch d_out"]:
        inputs, outputs = self.lora_A[name].get_parameter("weight"), self.lora_B[name].get_parameter("weight")
        left, right = (inputs.t(), outputs.t()) if self.held.transposed else (outputs, inputs)
        product: Tensor = _HeldProduct.apply(x.flatten(0, -2), left * self.scaling[name], right, weight, self.held)
        return product.unflatten(0, x.shape[:-1])


def hold_layer(layer: LoraLayer, shape: tuple[int, ...], index: Int[Tensor, " selected"]) -> None:
    """Holds the layer's effective weight, of this shape, at the base's values at these flat positions."""
    factor = next(layer.lora_A.parameters())
    index = index.to(factor.device)
    starts = torch.arange(shape[0] + 1, device=index.device) * shape[1]
    zeros = torch.zeros(len(index), dtype=torch.promote_types(torch.float32, factor.dtype), device=index.device)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR")  # torch warns that its CSR tensors are in beta
        pattern = torch.sparse_csr_tensor(
            torch.searchsorted(index, starts), index % shape[1], zeros, shape, check_invariants=True
        )
    held = Held(index, pattern, bool(getattr(layer, "fan_in_fan_out", False)))
    layer.__class__ = type(f"Held{type(layer).__name__}", (HeldLayer, type(layer)), {})
    assert isinstance(layer, HeldLayer)
    layer.held = held


def release_layer(layer: LoraLayer) -> None:
    """Gives the layer PEFT's own class back."""
    assert isinstance(layer, HeldLayer)
    del layer.held
    layer.__class__ = type(layer).__bases__[1]


def refuse_quantised(name: str, layer: BaseTunerLayer | HeldLayer) -> None:
    """Raises ValueError when the layer's base is quantised, because a merge would round its protected entries."""
    weight = layer.get_base_layer().weight
    if isinstance(weight, Tensor) and not weight.is_floating_point():
        raise ValueError(
            f"the base of {name} is quantised, and a merge would round its held weights; serve the adapter with "
            "load_protected, or load the base in floating point and merge there."
        )
