"""Protected entries keep every bit while any optimizer trains all others   (SPA's hold, O(selected) a step)

Before each step the hold sets the gradients of protected entries to zero, so that clipping and moments never see them.
After the step it writes their saved values back. Zero gradients alone do not freeze an entry: the weight decay of
default AdamW moves it in the first step. The released code of arXiv 2604.08297 has both faults.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor, nn

from holdfast.arguments import checked_call
from holdfast.intervene.base import require_base
from holdfast.intervene.entries import Entries, masked_entries, refuse_adapters, refuse_changed, require_trainable
from holdfast.intervene.hold.hold_summary import held_words
from holdfast.models.given import module_of
from holdfast.value_or_path import as_mask
from holdfast.values import Mask

if TYPE_CHECKING:
    from holdfast.models.load import LoadedModel


class Protection:
    """A hold on the entries that a mask selects. `release`, or the end of a `with` block, ends it."""

    def __init__(
        self, optimizer: torch.optim.Optimizer, mask: Mask | str | Path, model: nn.Module, *, check_base: bool = True
    ) -> None:
        """See `protect`."""
        mask = as_mask(mask)
        refuse_adapters(model, "hold the effective weights under them with protect_lora(model, mask)")
        self._entries = masked_entries(model, mask)
        require_base("the mask", mask, model, check_base=check_base)
        require_trainable(model, mask)
        self._saved = [entry.read() for entry in self._entries]
        self._hooks = [entry.weight.register_post_accumulate_grad_hook(_silencer(entry)) for entry in self._trained()]
        self._hooks.append(innermost(optimizer).register_step_post_hook(self._write_back))

    def verify(self) -> None:
        """Compares every protected entry with its saved value.

        Raises:
            InvariantError: a bit has changed.
        """
        refuse_changed(self._entries, self._saved)

    def release(self) -> None:
        """Removes the hooks from the model and the optimizer."""
        while self._hooks:
            self._hooks.pop().remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def __repr__(self) -> str:
        return held_words(self, sum(map(len, self._entries)), is_released=not self._hooks)

    def _trained(self) -> list[Entries]:
        return [entry for entry in self._entries if entry.weight.requires_grad]

    @torch.no_grad()
    def _write_back(self, *_: object) -> None:
        for entry, values in zip(self._entries, self._saved, strict=True):
            entry.write(values)


@checked_call
def protect(
    optimizer: torch.optim.Optimizer,
    mask: Mask | str | Path,
    model: "nn.Module | LoadedModel",
    *,
    check_base: bool = True,
) -> Protection:
    """Holds the selected entries at their present values in every later step of this optimizer.

    Args:
        optimizer: any torch optimizer, also one that accelerate has wrapped.
        mask: the entries to hold, as a Mask or as the path of its file.
        model: the model that the optimizer trains. Move it to its device first.
        check_base: True rejects a model that the mask was not made for. A model that was trained since is another
            model: pass False to hold its entries at their present values.

    Raises:
        ValueError: the mask is empty or made for another model, the model has LoRA adapters (use `protect_lora`), or
            nothing is left to train.
    """
    _check_order(optimizer, mask, model)
    return Protection(optimizer, mask, module_of(model), check_base=check_base)


def is_protected(optimizer: torch.optim.Optimizer) -> bool:
    """True where a hold writes values back after this optimizer's steps."""
    hooks = innermost(optimizer)._optimizer_step_post_hooks.values()
    return any(isinstance(getattr(hook, "__self__", None), Protection) for hook in hooks)


def _check_order(optimizer: object, mask: object, model: object) -> None:
    """Raises ValueError when the arguments of `protect` have the wrong types, for example swapped."""
    if not isinstance(optimizer, torch.optim.Optimizer) or isinstance(model, torch.optim.Optimizer | Mask):
        given = ", ".join(type(argument).__name__ for argument in (optimizer, mask, model))
        raise ValueError(f"protect takes an optimizer, a mask and a model, in this order; got {given}.")


def _silencer(entry: Entries):
    def silence(weight: Tensor) -> None:
        if weight.grad is not None:
            entry.blank(weight.grad)

    return silence


def innermost(optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
    """Returns the optimizer inside accelerate's wrappers, whose `step` is the only one that runs hooks."""
    inner = getattr(optimizer, "optimizer", None)
    return innermost(inner) if isinstance(inner, torch.optim.Optimizer) else optimizer
