"""The entries that a method of fine-tuning keeps fixed: none, the mask's, or all but the mask's."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import torch
from peft import PeftModel

from holdfast.intervene.entries import require_trainable
from holdfast.intervene.hold.lora import protect_lora
from holdfast.intervene.hold.protect import protect
from holdfast.intervene.train.one_tuning import Tuning
from holdfast.intervene.train.sparse_adamw import SparseAdamW, freeze_unmasked


@dataclass(frozen=True)
class Hold:
    """A way to keep entries fixed while a model trains."""

    under: Callable[[Tuning], AbstractContextManager[torch.optim.Optimizer]]
    """Context manager that keeps the entries fixed inside it, and yields the optimizer to train with."""
    is_sparse: bool = False
    """True where only the mask's entries are trained, so that the others cost no optimizer memory or time."""


@contextmanager
def _free(tuning: Tuning) -> Iterator[torch.optim.Optimizer]:
    require_trainable(tuning.model)
    yield tuning.make_optimizer(tuning.model)


@contextmanager
def _mask_held(tuning: Tuning) -> Iterator[torch.optim.Optimizer]:
    # `start.py` has checked before training that the mask belongs to this model.
    if isinstance(tuning.model, PeftModel):
        with protect_lora(tuning.model, tuning.selected, check_base=False):
            yield tuning.make_optimizer(tuning.model)
        return
    require_trainable(tuning.model, tuning.selected)  # before the optimizer, which refuses an empty list in other words
    optimizer = tuning.make_optimizer(tuning.model)
    with protect(optimizer, tuning.selected, tuning.model, check_base=False):
        yield optimizer


@contextmanager
def _rest_held(tuning: Tuning) -> Iterator[torch.optim.Optimizer]:
    with freeze_unmasked(tuning.model, tuning.selected), _sparse_adamw(tuning) as optimizer:
        yield optimizer


def _sparse_adamw(tuning: Tuning) -> SparseAdamW:
    return SparseAdamW(
        tuning.model,
        tuning.selected,
        lr=tuning.options.learning_rate,
        weight_decay=tuning.options.weight_decay,
        max_grad_norm=tuning.options.max_grad_norm,
        check_base=False,  # `start.py` has checked it
    )


NOTHING = Hold(_free)
MASK = Hold(_mask_held)
REFRESHED = Hold(_free)
"""A callback of the method holds a mask that changes."""
ALL_BUT_MASK = Hold(_rest_held, is_sparse=True)
