"""peak = max over time of the bytes of all live tensors, without the weights   (bytes)

The model's own code runs on the meta device, where tensors have shapes and no values. Every storage is counted when it
is allocated and when it is freed. Activations, gradients and temporaries are therefore those of the real pass, for any
architecture. FLOPs follow the formulas of torch's own counter, where a multiply-add is two.

Deviations: memory inside a kernel (packing, split sums) is not counted. Attention is the fused kernel without a matrix
of tokens by tokens, or the plain one where dropout is on. A padding mask is assumed to be needed. Experts are computed
as one grouped product, for every implementation that may run them.
"""

import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TypedDict, Unpack

import torch
from torch import Tensor, nn
from torch._ops import OpOverload
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
"""Functions that autocast runs in half precision."""


@dataclass(frozen=True)
class Cost:
    """Memory and work of a pass."""

    peak: int
    """Peak bytes, without the weights."""
    flops: float = 0
    moved: float = 0
    """Bytes that the operations read and write."""
    calls: float = 0
    """Number of operations."""

    def times(self, count: float) -> "Cost":
        """Cost of this number of such passes, one after another."""
        return Cost(self.peak, self.flops * count, self.moved * count, self.calls * count)

    def __add__(self, other: "Cost") -> "Cost":
        """Cost of two passes, one after the other."""
        peak, flops = max(self.peak, other.peak), self.flops + other.flops
        return Cost(peak, flops, self.moved + other.moved, self.calls + other.calls)

    def __sub__(self, other: "Cost") -> "Cost":
        """Work since an earlier state of the same trace, with the peak of the later one."""
        return Cost(self.peak, self.flops - other.flops, self.moved - other.moved, self.calls - other.calls)


NOTHING = Cost(0)


@dataclass(frozen=True)
class _Known:
    """Results and work of an operation on inputs of given shapes."""

    made: tuple[tuple[torch.Size, tuple[int, ...], torch.dtype], ...]
    is_tuple: bool
    flops: int
    moved: int


KNOWN_CALLS: dict[tuple, _Known] = {}
"""Results of operations seen before. Layers repeat the same calls, and most of a pass is spent on their shapes."""


def _describe(func: OpOverload, args: tuple, kwargs: dict) -> tuple | None:
    """Makes a key from everything that a call's shapes depend on. None where an argument can't be hashed."""
    described = (func, *map(_shape, args), *((name, _shape(value)) for name, value in sorted(kwargs.items())))
    try:
        hash(described)
    except TypeError:
        return None
    return described


def _shape(value: object) -> object:
    if isinstance(value, Tensor):
        return (value.shape, value.stride(), value.dtype, value.device.type)
    if isinstance(value, list | tuple):
        return tuple(map(_shape, value))
    return type(value), value


class Trace(TorchDispatchMode):
    """Counts live bytes and floating-point operations while it is active."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        tensors = [*model.parameters(), *model.buffers()]
        self._sizes = {tensor.untyped_storage()._cdata: 0 for tensor in tensors}
        self.live = 0
        """Bytes of all live tensors allocated in the trace."""
        self.peak = 0
        """Most live bytes since the last `forget`."""
        self.flops = self.moved = self.calls = 0

    @property
    def cost(self) -> Cost:
        """The peak and the work so far."""
        return Cost(self.peak, self.flops, self.moved, self.calls)

    def forget(self) -> None:
        """Resets the peak to the bytes that are live now."""
        self.peak = self.live

    def __torch_dispatch__(
        self, func: OpOverload, types: object, args: tuple = (), kwargs: dict | None = None
    ) -> object:
        kwargs = kwargs or {}
        if func is aten._local_scalar_dense.default and args[0].is_meta:
            return args[0].dtype != torch.bool  # values are unknown, and False answers checks such as `mask.all()`
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

    def _run(self, func: OpOverload, args: tuple, kwargs: dict, call: tuple | None) -> object:
        """Lets the meta device compute the shapes, and stores them where all results are new tensors."""
        made = func(*args, **kwargs)
        results = made if isinstance(made, tuple) else (made,)
        is_new = [isinstance(result, Tensor) and result.is_meta and self._note(result) for result in results]
        if any(is_new):
            count = flop_registry.get(func._overloadpacket)
            flops = int(count(*args, **kwargs, out_val=made)) if count else 0
            moved = sum(value.nbytes for value in (*args, *results) if isinstance(value, Tensor))
            tensors = [result for result in results if isinstance(result, Tensor)]
            shapes = tuple((tensor.shape, tensor.stride(), tensor.dtype) for tensor in tensors)
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
        """Counts a storage when it is first seen. Returns False for a view, which shares a known storage."""
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


class _AttentionOptions(TypedDict, total=False):
    """Further arguments of scaled_dot_product_attention."""

    dropout_p: float
    is_causal: bool
    scale: float | None
    enable_gqa: bool


class Kernels(TorchFunctionMode):
    """Calls the kernels of a real device where the meta device would choose others."""

    def __init__(self, trace: Trace, autocast: torch.dtype | None = None) -> None:
        super().__init__()
        self._trace, self._autocast = trace, autocast
        self._halves: dict[int, Tensor] = {}
        """Weights in half precision, which autocast caches until its end."""

    def __torch_function__(
        self, func: Callable[..., object], types: object, args: tuple = (), kwargs: dict | None = None
    ) -> object:
        kwargs = kwargs or {}
        if func is scaled_dot_product_attention and not kwargs.get("dropout_p"):
            return self._attend(*args, **kwargs)
        if func in GROUPED:
            return self._grouped(*args, **kwargs)
        if self._autocast and func in PRODUCTS:
            halves = (self._half(argument) if isinstance(argument, Tensor) else argument for argument in args)
            return func(*halves, **kwargs)
        return func(*args, **kwargs)

    def _half(self, tensor: Tensor) -> Tensor:
        if not tensor.is_floating_point():
            return tensor
        if not (isinstance(tensor, nn.Parameter) and tensor.requires_grad):
            return tensor.to(self._autocast)
        return self._halves.setdefault(id(tensor), tensor.to(self._autocast))

    def _attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        **options: Unpack["_AttentionOptions"],
    ) -> Tensor:
        if self._autocast:
            query, key, value = (self._half(tensor) for tensor in (query, key, value))
        if options.get("enable_gqa"):
            shared = query.shape[1] // key.shape[1]
            key, value = key.repeat_interleave(shared, dim=1), value.repeat_interleave(shared, dim=1)
        if attn_mask is not None and attn_mask.dtype == torch.bool:
            attn_mask = torch.empty(attn_mask.shape, dtype=query.dtype, device=query.device)  # the kernels add it
        is_causal, scale = options.get("is_causal", False), options.get("scale")
        flash = aten._scaled_dot_product_flash_attention_for_cpu
        return flash(query, key, value, 0.0, is_causal, attn_mask=attn_mask, scale=scale)[0]

    def _grouped(self, rows: Tensor, weights: Tensor, offs: Tensor, **_: object) -> Tensor:
        from transformers.integrations import moe  # registers the operation, whose shapes are known for any dtype

        assert moe
        backward = 3 if torch.is_grad_enabled() and rows.requires_grad else 1
        self._trace.flops += backward * 2 * rows.shape[0] * weights.shape[-2] * weights.shape[-1]
        return torch.ops.transformers.grouped_mm_fallback(rows, weights, offs)


@contextmanager
def traced(model: nn.Module, autocast: torch.dtype | None = None) -> Iterator[Trace]:
    """Context manager that counts allocations and work on the meta device. The model has no gradients afterwards.

    Raises:
        ValueError: the model's code needs values of tensors, and there are none on the meta device.
    """
    trace = Trace(model)
    training = model.training
    needed = [(weight, weight.requires_grad) for weight in model.parameters()]
    try:
        with ExitStack() as stack:
            stack.enter_context(trace)
            stack.enter_context(Kernels(trace, autocast))
            yield trace
    except (RuntimeError, TypeError) as error:  # RuntimeError where the shapes of an operation depend on values
        raise ValueError(
            f"a pass of {type(model).__name__} could not run without its weights: "
            f"{str(error).splitlines()[0].rstrip('.')}; plan can't predict this model."
        ) from error
    finally:
        model.train(training)
        for weight, was_needed in needed:
            weight.grad = None
            weight.requires_grad_(was_needed)
