"""AdamW on the selected entries alone   (tuning 1% of the weights costs 1% of the optimizer)

As soon as a parameter's gradient is complete, its selected entries are added to one packed float32 vector and the dense
gradient is freed. Master copies and moments exist only for the selected entries. torch's fused AdamW steps the vector,
and the result is scattered back. A master copy is needed because rounding undoes a step of 3e-5 for every bfloat16
weight above 0.0078. The released code of arXiv 2604.08297 loses such steps.

With a model that FSDP2 has sharded, each process trains the entries that it holds, and FSDP2 has already added up their
gradients. Where each process has the whole model, they average the packed gradients, 1% of what DistributedDataParallel
would send. Don't wrap the model in DistributedDataParallel, which needs the dense gradients that are freed here.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Self, TypedDict, cast

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw
from torch.optim.optimizer import StateDict

from holdfast.arguments import checked_call, require_number
from holdfast.distributed import all_sum, gathered, world_size
from holdfast.intervene.base import require_base
from holdfast.intervene.entries import Entries, masked_entries, refuse_adapters
from holdfast.intervene.train.sampled_gradient import SampledGradient, fits, owners_of
from holdfast.models.shards import is_sharded
from holdfast.value_or_path import as_mask
from holdfast.values import Mask

WITHOUT_ADAPTERS = (
    "a low-rank update changes every entry of a matrix, so it can't train only the mask's; enhance the base model "
    "without adapters and apply its patch of a few megabytes"
)
"""The reason why SET refuses a model with adapters, and the alternative."""


@checked_call
class SparseAdamW(torch.optim.Optimizer):
    """Trains the entries that a mask selects, and no other bit of the model.

    In a Hugging Face or TRL trainer, use it through `train_only`, because the dense gradients are freed before the
    trainer could clip them. `step` consumes the gathered gradients. Close it, or use it as a context manager, to remove
    its hooks from the model.
    """

    _step_supports_amp_scaling = True
    """Tells a GradScaler (fp16) to call `step` even after a gradient overflow, so that `step` can drop the gathered
    gradients. A scaler that skips the call would leave the overflow in the packed gradient for ever."""

    def __init__(
        self,
        model: nn.Module,
        mask: Mask | str | Path,
        *,
        lr: float = 3e-5,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        max_grad_norm: float = 0.0,
        check_base: bool = True,
    ) -> None:
        """Copies the current values of the selected entries. Move the model to its device first.

        Args:
            model: a model in which the mask's parameters need gradients, and no others do (see `freeze_unmasked`).
            mask: entries to train, or the path of a mask file.
            lr: learning rate. Schedulers change it through `param_groups` as usual.
            betas: decay of the first and second moment.
            eps: term added to the root of the second moment.
            weight_decay: decoupled weight decay, on the selected entries alone.
            max_grad_norm: largest norm of the selected entries' gradient. 0 does not clip.
            check_base: True refuses a model that the mask was not made for. Pass False for a model that has been
                trained since.

        Raises:
            ValueError: the mask is empty or made for another model, a parameter that needs a gradient has no mask, or a
                masked one needs none. Or a number is out of its range.
        """
        refuse_adapters(model, WITHOUT_ADAPTERS)
        require_training_numbers(lr, weight_decay, max_grad_norm)
        mask = as_mask(mask)
        entries = masked_entries(model, mask)
        require_base("the mask", mask, model, check_base=check_base)
        _refuse_uncovered(model, {entry.name for entry in entries})
        devices = dict.fromkeys(entry.weight.device for entry in entries)
        self.is_sharded = is_sharded(model)
        """True where several processes hold parts of the model."""
        self._packs = [_Pack([entry for entry in entries if entry.weight.device == device]) for device in devices]
        self.grad_norm: Tensor | None = None
        """Norm of the selected entries' gradient in the last step, before clipping. None until a step has clipped."""
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "fused": True}
        super().__init__([pack.master for pack in self._packs], {**defaults, "max_grad_norm": max_grad_norm})
        for pack in self._packs:
            self.state[pack.master] = pack.first_state()
        self._start = [pack.master.clone() for pack in self._packs]
        owners = owners_of(model)
        self._hooks = [hook for pack in self._packs for hook in pack.listen(owners)]

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Steps the selected entries by the gradients since the last step. Without gradients it changes nothing."""
        if not self._hooks:
            raise ValueError("this SparseAdamW is closed and receives no gradients; make a new one.")
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self._combine()
        if not self._overflowed():
            for group in self.param_groups:
                self._step_group(cast(_Group, group))
            for pack in self._packs:
                pack.scatter()
        for pack in self._packs:
            pack.leave_out_dense()
        self.zero_grad()
        return loss

    def load_state_dict(self, state_dict: StateDict) -> None:
        """Resumes from a saved state with its float32 masters. The state must belong to a mask of the same size."""
        saved = [state["master"].numel() for state in state_dict["state"].values()]
        if saved != [pack.master.numel() for pack in self._packs]:
            raise ValueError(
                f"the saved optimizer state has {sum(saved)} entries and this mask has {self.num_entries} here; "
                "resume with the mask and the number of processes that the run started with."
            )
        super().load_state_dict(state_dict)
        for pack in self._packs:
            pack.master.copy_(self.state[pack.master]["master"])
            self.state[pack.master]["master"] = pack.master

    def close(self) -> None:
        """Removes the hooks from the model, which keeps its trained weights."""
        while self._hooks:
            self._hooks.pop().remove()
        for pack in self._packs:
            pack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def num_entries(self) -> int:
        """Number of trained entries that this process holds."""
        return sum(pack.master.numel() for pack in self._packs)

    @property
    def has_gradients(self) -> bool:
        """True where gradients have arrived here since the last step."""
        return any(pack.master.grad is not None for pack in self._packs)

    @property
    def num_moved(self) -> int:
        """Number of entries held here whose float32 master has changed. Rounding may leave their weights unchanged."""
        return sum(int((pack.master != start).sum()) for pack, start in zip(self._packs, self._start, strict=True))

    def _combine(self) -> None:
        """Averages the gathered gradients over the processes where each has the whole model."""
        if self.is_sharded or world_size() == 1:
            return
        for pack in self._packs:
            if pack.master.grad is None:
                pack.master.grad = torch.zeros_like(pack.master)
            all_sum(pack.master.grad).div_(world_size())

    def _overflowed(self) -> bool:
        """Divides gradients by a GradScaler's factor. Returns True where the scaler found one that is not finite."""
        scale: Tensor | None = getattr(self, "grad_scale", None)
        if any(gathered(bool(getattr(self, "found_inf", False)))):
            return True
        for pack in self._packs:
            if scale is not None and pack.master.grad is not None:
                pack.master.grad /= scale.to(pack.master.device)
        return False

    def _clip(self, masters: list[Tensor], max_norm: float) -> None:
        norm = nn.utils.get_total_norm([master.grad for master in masters if master.grad is not None])
        if self.is_sharded:
            norm = all_sum(norm.square()).sqrt()
        self.grad_norm = norm
        nn.utils.clip_grads_with_norm_(masters, max_norm, norm)

    def _step_group(self, group: "_Group") -> None:
        masters = [master for master in group["params"] if master.grad is not None]
        if group["max_grad_norm"] > 0:
            self._clip(masters, group["max_grad_norm"])
        states = [self.state[master] for master in masters]
        adamw(
            masters,
            [master.grad for master in masters if master.grad is not None],
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            fused=group["fused"],
            amsgrad=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )


def require_training_numbers(lr: float, weight_decay: float, max_grad_norm: float | None) -> None:
    """Raises ValueError for a number with which the optimizer would train uphill, or not at all."""
    require_number("lr", lr, above=0)
    require_number("weight_decay", weight_decay)
    if max_grad_norm is not None:
        require_number("max_grad_norm", max_grad_norm)


class _Group(TypedDict):
    """Masters of one parameter group, with AdamW's settings."""

    params: list[Tensor]
    lr: float
    betas: tuple[float, float]
    eps: float
    weight_decay: float
    max_grad_norm: float
    fused: bool


@contextmanager
def freeze_unmasked(model: nn.Module, mask: Mask) -> Iterator[None]:
    """Requires gradients only for parameters with masked entries inside the context, then restores the settings."""
    selected = {entry.name for entry in masked_entries(model, mask)}
    before = [(weight, weight.requires_grad) for weight in model.parameters()]
    try:
        for name, weight in model.named_parameters():
            weight.requires_grad_(name in selected)
        yield
    finally:
        for weight, needed in before:
            weight.requires_grad_(needed)


class _Pack:
    """The selected entries of all parameters on one device, one after another, in float32."""

    def __init__(self, entries: list[Entries]) -> None:
        self.entries = entries
        self._sampled: list[SampledGradient] = []
        self.lengths = [len(entry) for entry in entries]
        self.master = torch.cat([entry.read().float() for entry in entries])

    def first_state(self) -> dict[str, Tensor]:
        """Returns AdamW's state before the first step. It includes the master, so that a resumed run loses no bit."""
        step = torch.zeros((), device=self.master.device)
        moments = {"exp_avg": torch.zeros_like(self.master), "exp_avg_sq": torch.zeros_like(self.master)}
        return {"step": step, **moments, "master": self.master}

    def listen(self, owners: Mapping[Tensor, Sequence[nn.Module]]) -> Iterator[torch.utils.hooks.RemovableHandle]:
        """Registers and yields the hooks that gather each gradient as soon as it is complete.

        Args:
            owners: the modules that hold each parameter.
        """
        stops = itertools.accumulate(self.lengths)
        for entry, length, stop in zip(self.entries, self.lengths, stops, strict=True):
            gather = partial(self._gather, slice(stop - length, stop))
            sampled = None
            if fits(layers := owners.get(entry.weight, ()), entry):
                sampled = SampledGradient(cast(nn.Linear, layers[0]), entry, gather)
                self._sampled.append(sampled)
                yield sampled.listen()
            yield entry.weight.register_post_accumulate_grad_hook(_taker(entry, gather, sampled))

    def leave_out_dense(self) -> None:
        """Has autograd compute no dense gradient where the sampled one agreed with it."""
        for sampled in self._sampled:
            sampled.leave_out_dense()

    def close(self) -> None:
        """Gives the parameters back as they were found."""
        while self._sampled:
            self._sampled.pop().close()

    def scatter(self) -> None:
        """Writes the masters into the parameters, rounded to their dtype."""
        values = list(zip(self.entries, self.master.split(self.lengths), strict=True))
        threads = torch.get_num_threads() if self.master.device.type == "cpu" else 1
        if threads == 1:
            _write(values)
            return
        # One thread a core: torch writes fewer than 32,768 entries serially, which takes half the step's time.
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(_write, (values[place::threads] for place in range(threads))))

    def _gather(self, places: slice, gradient: Tensor) -> None:
        if self.master.grad is None:
            self.master.grad = torch.zeros_like(self.master)
        self.master.grad[places] += gradient  # sums micro-batches in float32


def _taker(
    entry: Entries, gather: Callable[[Tensor], None], sampled: SampledGradient | None
) -> Callable[[Tensor], None]:
    """Returns a hook that gathers the selected entries of a dense gradient, and frees it."""

    def take(weight: Tensor) -> None:
        if weight.grad is None:
            raise RuntimeError(f"the gradient of {entry.name} was taken already: close its other SparseAdamW.")
        dense = entry.take(weight.grad)
        gather(dense if sampled is None else sampled.beside(dense))
        weight.grad = None

    return take


def _write(values: Sequence[tuple[Entries, Tensor]]) -> None:
    for entry, new in values:
        entry.write(new)


def _refuse_uncovered(model: nn.Module, selected: set[str]) -> None:
    for name, weight in model.named_parameters():
        if weight.requires_grad and name not in selected:
            raise ValueError(
                f"{name} needs a gradient but the mask selects nothing in it, so it would never be trained; "
                "build the optimizer within `freeze_unmasked(model, mask)`, or call requires_grad_(False) on it."
            )
        if name in selected and not weight.requires_grad:
            raise ValueError(
                f"the mask selects entries of {name}, which needs no gradient and could not be trained; "
                "call requires_grad_(True) on it, or take it out of the mask."
            )
