"""AdamW on the selected entries alone   (tuning 1% of the weights costs 1% of the optimizer)

As soon as a parameter's gradient is complete, its selected entries are added to one packed float32 vector and the dense
gradient is freed. Master copies and moments exist for the selected entries only; torch's fused AdamW steps the vector,
and the result is scattered back. A master copy is needed because a step of 3e-5 is lost to rounding for every bfloat16
weight above 0.0078; the released code of arXiv 2604.08297 loses it.

In several processes each trains what it holds of a model that FSDP2 has sharded, whose gradients come already added up.
Where each has the whole model, they take the mean of the packed gradients, 1% of what DistributedDataParallel would
send: the model must not be wrapped in it, which would look for the gradients that are gone.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from holdfast.artifacts import as_mask
from holdfast.distributed import all_sum, gathered, world_size
from holdfast.intervene.base import require_base
from holdfast.intervene.entries import Entries, masked_entries, refuse_adapters
from holdfast.models.shards import is_sharded
from holdfast.values import Mask

WITHOUT_ADAPTERS = (
    "an update of low rank moves every entry of a matrix, so it can't train the mask's alone; enhance the base model "
    "without them and apply its patch of a few megabytes"
)
"""Why SET refuses a model with adapters, and what to do instead."""


class SparseAdamW(torch.optim.Optimizer):
    """Trains the entries that a mask selects, and no other bit of the model.

    In a Hugging Face or TRL trainer use it through `train_only`: the dense gradients are gone before the trainer could
    clip them. `step` consumes the gathered gradients. Close it, or use it as a context manager, to take its hooks off
    the model.
    """

    _step_supports_amp_scaling = True
    """Tells a GradScaler (fp16) to call `step` also when a gradient overflowed: what was gathered is then let go here.
    A scaler that skips the call would leave the overflow in the packed gradient for ever."""

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
        """Takes hold of the selected entries as they are now; move the model to its device first.

        Args:
            model: the parameters that the mask selects from need gradients, and no others may (see `freeze_unmasked`).
            mask: which entries are trained, or the path of its file.
            lr: learning rate; schedulers change it through `param_groups` as usual.
            betas: decay of the first and second moment.
            eps: added to the root of the second moment.
            weight_decay: decoupled, on the selected entries alone.
            max_grad_norm: largest norm of the selected entries' gradient; 0 does not clip.
            check_base: whether to refuse a model that the mask was not made for; pass False to go on with one that has
                trained since.

        Raises:
            ValueError: the mask is empty or made for another model, a parameter that needs a gradient has no mask, or a
                masked one needs none.
        """
        refuse_adapters(model, WITHOUT_ADAPTERS)
        mask = as_mask(mask)
        entries = masked_entries(model, mask)
        require_base("the mask", mask.base, dict(model.named_parameters()), check_base=check_base)
        _refuse_uncovered(model, {entry.name for entry in entries})
        devices = dict.fromkeys(entry.weight.device for entry in entries)
        self.is_sharded = is_sharded(model)
        """Whether several processes hold parts of the model."""
        self._packs = [_Pack([entry for entry in entries if entry.weight.device == device]) for device in devices]
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "fused": True}
        super().__init__([pack.master for pack in self._packs], {**defaults, "max_grad_norm": max_grad_norm})
        for pack in self._packs:
            self.state[pack.master] = pack.first_state()
        self._start = [pack.master.clone() for pack in self._packs]
        self._hooks = [hook for pack in self._packs for hook in pack.listen()]

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Steps the selected entries by the gradients gathered since the last step; without any it changes nothing."""
        if not self._hooks:
            raise ValueError("this SparseAdamW is closed and receives no gradients; make a new one.")
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self._combine()
        if not self._overflowed():
            for group in self.param_groups:
                self._step_group(group)
            for pack in self._packs:
                pack.scatter()
        self.zero_grad()
        return loss

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on from a saved state, its float32 masters included; the state must be of a mask of the same size."""
        saved = [state["master"].numel() for state in state_dict["state"].values()]
        if saved != [pack.master.numel() for pack in self._packs]:
            raise ValueError(
                f"the saved optimizer state has {sum(saved)} entries and this mask has {self.num_entries} here; "
                "resume with the mask, and in as many processes, as the run was started with."
            )
        super().load_state_dict(state_dict)
        for pack in self._packs:
            pack.master.copy_(self.state[pack.master]["master"])
            self.state[pack.master]["master"] = pack.master

    def close(self) -> None:
        """Takes the hooks off the model, which keeps its trained weights."""
        while self._hooks:
            self._hooks.pop().remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def num_entries(self) -> int:
        """Entries that are trained, of those that are held here."""
        return sum(pack.master.numel() for pack in self._packs)

    @property
    def num_moved(self) -> int:
        """Entries, of those that are held here, whose float32 master has changed: rounding may keep their weights."""
        return sum(int((pack.master != start).sum()) for pack, start in zip(self._packs, self._start, strict=True))

    def _combine(self) -> None:
        """Gives every process the mean of what all have gathered, where each has the whole model."""
        if self.is_sharded or world_size() == 1:
            return
        for pack in self._packs:
            if pack.master.grad is None:
                pack.master.grad = torch.zeros_like(pack.master)
            all_sum(pack.master.grad).div_(world_size())

    def _overflowed(self) -> bool:
        """Takes a GradScaler's factor out of the gradients; True where the scaler found one that is not finite."""
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
        nn.utils.clip_grads_with_norm_(masters, max_norm, norm)

    def _step_group(self, group: dict[str, Any]) -> None:
        masters = [master for master in group["params"] if master.grad is not None]
        if group["max_grad_norm"] > 0:
            self._clip(masters, group["max_grad_norm"])
        states = [self.state[master] for master in masters]
        adamw(
            masters,
            [master.grad for master in masters],
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


@contextmanager
def freeze_unmasked(model: nn.Module, mask: Mask) -> Iterator[None]:
    """While this lasts, gradients are needed where the mask selects and nowhere else; what was comes back."""
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
    """The selected entries on one device, of all its parameters one after another, in float32."""

    def __init__(self, entries: list[Entries]) -> None:
        self.entries = entries
        self.lengths = [len(entry) for entry in entries]
        self.master = torch.cat([entry.read().float() for entry in entries])

    def first_state(self) -> dict[str, Tensor]:
        """AdamW's state before the first step; the master is part of it, so that a resumed run loses no bit."""
        step = torch.zeros((), device=self.master.device)
        moments = {"exp_avg": torch.zeros_like(self.master), "exp_avg_sq": torch.zeros_like(self.master)}
        return {"step": step, **moments, "master": self.master}

    def listen(self) -> Iterator[torch.utils.hooks.RemovableHandle]:
        """Hooks that gather each gradient as soon as it is complete."""
        start = 0
        for entry in self.entries:
            gather = self._gatherer(entry, start, start + len(entry))
            yield entry.weight.register_post_accumulate_grad_hook(gather)
            start += len(entry)

    def scatter(self) -> None:
        """Writes the masters into the parameters, rounded to their dtype."""
        values = list(zip(self.entries, self.master.split(self.lengths), strict=True))
        threads = torch.get_num_threads() if self.master.device.type == "cpu" else 1
        if threads == 1:
            _write(values)
            return
        # One thread a core over the parameters: torch writes fewer than 32,768 entries serially, half the step's time.
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(_write, (values[place::threads] for place in range(threads))))

    def _gatherer(self, entry: Entries, start: int, stop: int) -> Callable[[Tensor], None]:
        def gather(weight: Tensor) -> None:
            if weight.grad is None:
                raise RuntimeError(f"the gradient of {entry.name} was taken already: close its other SparseAdamW.")
            if self.master.grad is None:
                self.master.grad = torch.zeros_like(self.master)
            self.master.grad[start:stop] += entry.take(weight.grad)  # sums micro-batches in float32
            weight.grad = None

        return gather


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
