"""What a method of fine-tuning holds: nothing, the mask's entries, or all entries but the mask's."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import torch
from peft import PeftModel

from holdfast.intervene.hold.lora import protect_lora
from holdfast.intervene.hold.protect import protect
from holdfast.intervene.train.one_tuning import Tuning
from holdfast.intervene.train.sparse_adamw import SparseAdamW, freeze_unmasked


@dataclass(frozen=True)
class Hold:
    """What is held while a model trains."""

    under: Callable[[Tuning], AbstractContextManager[torch.optim.Optimizer]]
    """Holds as long as it lasts, and yields the optimizer to train with."""
    needs_mask: bool = False
    is_sparse: bool = False
    """Whether the mask's entries are trained and no other, so that nothing is spent on the others."""


@contextmanager
def _free(tuning: Tuning) -> Iterator[torch.optim.Optimizer]:
    yield tuning.make_optimizer(tuning.model)


@contextmanager
def _mask_held(tuning: Tuning) -> Iterator[torch.optim.Optimizer]:
    # Whether the mask is this model's was asked before training (`start.py`).
    if isinstance(tuning.model, PeftModel):
        with protect_lora(tuning.model, tuning.selected, check_base=False):
            yield tuning.make_optimizer(tuning.model)
        return
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
        check_base=False,  # `start.py` has
    )


NOTHING = Hold(_free)
MASK = Hold(_mask_held, needs_mask=True)
ALL_BUT_MASK = Hold(_rest_held, needs_mask=True, is_sparse=True)
