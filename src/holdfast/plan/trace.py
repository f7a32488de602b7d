"""peak = max over time of the bytes of all tensors that are alive, the weights left out   (bytes)

The model's own code runs on the meta device, where tensors have shapes and no values: every storage is counted when it
is made and when it is let go, so activations, gradients and temporaries are those that the real pass has, for any
architecture. FLOPs are counted by the formulas of torch's own counter (a multiply-add is two).

Deviations: what a kernel takes inside itself (packing, split sums) is not seen. Attention is the fused kernel that
keeps no matrix of tokens by tokens; where dropout is on, it is the plain one. A mask of padding is taken to be needed.
Experts are multiplied as one grouped product, whatever is chosen to run them.
"""

import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

aten = torch.ops.aten
GROUPED = tuple(
    function
    for function in (getattr(torch.nn.functional, "grouped_mm", None), getattr(torch, "_grouped_mm", None))
    if function is not None
)
PRODUCTS = {torch.nn.functional.linear, torch.matmul, torch.bmm, torch.addmm, torch.mm, torch.baddbmm}
"""What autocast runs in half precision."""


@dataclass(frozen=True)
class Cost:
    """What a pass takes."""

    peak: int
    """Bytes at most, the weights left out."""
    flops: float = 0
    moved: float = 0
    """Bytes that operations read and wrote."""
    calls: float = 0
    """Operations."""

    def times(self, count: float) -> "Cost":
        """Of so many such passes, one after another."""
        return Cost(self.peak, self.flops * count, self.moved * count, self.calls * count)

    def __add__(self, other: "Cost") -> "Cost":
        """Of one after the other."""
        peak, flops = max(self.peak, other.peak), self.flops + other.flops
        return Cost(peak, flops, self.moved + other.moved, self.calls + other.calls)

    def __sub__(self, other: "Cost") -> "Cost":
        """Of what came after the other."""
        return Cost(self.peak, self.flops - other.flops, self.moved - other.moved, self.calls - other.calls)


NOTHING = Cost(0)


@dataclass(frozen=True)
class _Known:
    """What an operation makes of inputs of given shapes."""

    made: tuple[tuple[torch.Size, tuple[int, ...], torch.dtype], ...]
    is_tuple: bool
    flops: int
    moved: int


KNOWN_CALLS: dict[tuple, _Known] = {}
"""Layers are alike, and working out shapes takes most of a pass."""


def _describe(func: Any, args: tuple, kwargs: dict) -> tuple | None:
    """Tells calls apart by all that shapes depend on; None where something can't be compared."""
    described = (func, *map(_shape, args), *((name, _shape(value)) for name, value in sorted(kwargs.items())))
    try:
        hash(described)
    except TypeError:
        return None
    return described


def _shape(value: Any) -> Any:
    if isinstance(value, Tensor):
        return (value.shape, value.stride(), value.dtype, value.device.type)
    if isinstance(value, list | tuple):
        return tuple(map(_shape, value))
    return type(value), value


class Trace(TorchDispatchMode):
    """Counts the bytes that are alive and the floating-point operations while it lasts."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        tensors = [*model.parameters(), *model.buffers()]
        self._sizes = {tensor.untyped_storage()._cdata: 0 for tensor in tensors}
        self.live = 0
        """Bytes of all that was made and is alive."""
        self.peak = 0
        """The most that were, since the last `forget`."""
        self.flops = self.moved = self.calls = 0

    @property
    def cost(self) -> Cost:
        """The peak and the operations up to now."""
        return Cost(self.peak, self.flops, self.moved, self.calls)

    def forget(self) -> None:
        """Begins the peak anew, from what is alive."""
        self.peak = self.live

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        if func is aten._local_scalar_dense.default and args[0].is_meta:
            return args[0].dtype != torch.bool  # nothing is known of values: "are all of them so" is answered by no
        if func is aten.nonzero.default and args[0].is_meta:
            return args[0].new_empty(0, args[0].dim(), dtype=torch.int64)
        if func is aten._to_copy.default and args[0].is_meta and str(kwargs.get("device")) == "cpu":
            return torch.zeros(args[0].shape, dtype=kwargs.get("dtype") or args[0].dtype)
        call = _describe(func, args, kwargs)
        known = KNOWN_CALLS.get(call) if call else None
        if known is None:
            return self._run(func, args, kwargs, call)
        self._count(known)
        made = [torch.empty_strided(*like[:2], dtype=like[2], device="meta") for like in known.made]
        for tensor in made:
            self._note(tensor)
        return tuple(made) if known.is_tuple else made[0]

    def _run(self, func: Any, args: tuple, kwargs: dict, call: tuple | None) -> Any:
        """Has the meta device work out the shapes, and keeps them where nothing but new tensors came out."""
        made = func(*args, **kwargs)
        results = made if isinstance(made, tuple) else (made,)
        is_new = [isinstance(one, Tensor) and one.is_meta and self._note(one) for one in results]
        if any(is_new):
            count = flop_registry.get(func._overloadpacket)
            flops = int(count(*args, **kwargs, out_val=made)) if count else 0
            moved = sum(one.nbytes for one in (*args, *results) if isinstance(one, Tensor))
            shapes = tuple((one.shape, one.stride(), one.dtype) for one in results if isinstance(one, Tensor))
            known = _Known(shapes, isinstance(made, tuple), flops, moved)
            self._count(known)
            if call and all(is_new):
                KNOWN_CALLS[call] = known
        return made

    def _count(self, known: "_Known") -> None:
        self.calls += 1
        self.flops += known.flops
        self.moved += known.moved

    def _note(self, tensor: Tensor) -> bool:
        """Counts a storage when it is first seen; a view has none of its own."""
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._sizes:
            return False
        self._sizes[key] = storage.nbytes()
        self.live += storage.nbytes()
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._let_go, key)
        return True

    def _let_go(self, key: int) -> None:
        self.live -= self._sizes.pop(key, 0)


class Kernels(TorchFunctionMode):
    """Calls the kernels that a device would, where the meta device would choose another."""

    def __init__(self, trace: Trace, autocast: torch.dtype | None = None) -> None:
        super().__init__()
        self._trace, self._autocast = trace, autocast
        self._halves: dict[int, Tensor] = {}
        """Weights in half precision, which autocast keeps as long as it lasts."""

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        if func is scaled_dot_product_attention and not kwargs.get("dropout_p"):
            return self._attend(*args, **kwargs)
        if func in GROUPED:
            return self._grouped(*args, **kwargs)
        if self._autocast and func in PRODUCTS:
            return func(*(self._half(one) for one in args), **kwargs)
        return func(*args, **kwargs)

    def _half(self, argument: Any) -> Any:
        if not isinstance(argument, Tensor) or not argument.is_floating_point():
            return argument
        if not (isinstance(argument, nn.Parameter) and argument.requires_grad):
            return argument.to(self._autocast)
        return self._halves.setdefault(id(argument), argument.to(self._autocast))

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, **how: Any) -> Tensor:
        if self._autocast:
            query, key, value = (self._half(one) for one in (query, key, value))
        if how.pop("enable_gqa", False):
            shared = query.shape[1] // key.shape[1]
            key, value = key.repeat_interleave(shared, dim=1), value.repeat_interleave(shared, dim=1)
        if attn_mask is not None and attn_mask.dtype == torch.bool:
            attn_mask = torch.empty(attn_mask.shape, dtype=query.dtype, device=query.device)  # the kernels add it
        is_causal, scale = how.get("is_causal", False), how.get("scale")
        flash = aten._scaled_dot_product_flash_attention_for_cpu
        return flash(query, key, value, 0.0, is_causal, attn_mask=attn_mask, scale=scale)[0]

    def _grouped(self, rows: Tensor, weights: Tensor, offs: Tensor, **_: Any) -> Tensor:
        from transformers.integrations import moe  # registers the operation, whose shapes are known for any dtype

        assert moe
        backward = 3 if torch.is_grad_enabled() and rows.requires_grad else 1
        self._trace.flops += backward * 2 * rows.shape[0] * weights.shape[-2] * weights.shape[-1]
        return torch.ops.transformers.grouped_mm_fallback(rows, weights, offs)


@contextmanager
def traced(model: nn.Module, autocast: torch.dtype | None = None) -> Iterator[Trace]:
    """Counts what is made on the meta device while this lasts; the model is given back without gradients.

    Raises:
        ValueError: the model's code asks for values, which there are none of.
    """
    trace = Trace(model)
    training = model.training
    needed = [(weight, weight.requires_grad) for weight in model.parameters()]
    try:
        with ExitStack() as stack:
            stack.enter_context(trace)
            stack.enter_context(Kernels(trace, autocast))
            yield trace
    except (RuntimeError, TypeError) as error:  # the former where an operation has no shapes without values
        raise ValueError(
            f"a pass of {type(model).__name__} could not be followed without its weights: "
            f"{str(error).splitlines()[0].rstrip('.')}; plan can't predict this model."
        ) from error
    finally:
        model.train(training)
        for weight, was_needed in needed:
            weight.grad = None
            weight.requires_grad_(was_needed)
