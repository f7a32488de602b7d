"""SET in any Hugging Face or TRL trainer: SparseAdamW, and a callback that fits it to the trainer

    with train_only(model, mask, lr=1e-3) as only:
        trainer = SFTTrainer(model, ..., optimizers=only.optimizers, callbacks=[only])
        trainer.train()

A trainer clips dense gradients, which SparseAdamW has freed by then. So the callback has SparseAdamW clip the selected
entries by the trainer's `max_grad_norm`. The trainer logs a `grad_norm` of 0. A trainer that skips a step, because
gradients are not finite, clears only the dense gradients. The callback clears the packed ones. As with any optimizer
given to a trainer, learning rate and weight decay are those of the optimizer, and the trainer's schedule applies.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TypedDict, Unpack

import torch
from transformers import PreTrainedModel, TrainerCallback, TrainingArguments
from transformers.trainer_callback import TrainerControl, TrainerState

from holdfast.arguments import checked_call
from holdfast.errors import InvariantError
from holdfast.intervene.entries import Entries, digest_outside, masked_entries
from holdfast.intervene.hold.hook_arguments import HookArguments
from holdfast.intervene.hold.protect import innermost
from holdfast.intervene.train.sparse_adamw import SparseAdamW, freeze_unmasked
from holdfast.models.given import require_module
from holdfast.value_or_path import as_mask
from holdfast.values import Mask


@checked_call
def train_only(
    model: PreTrainedModel,
    mask: Mask | str | Path,
    *,
    lr: float = 3e-5,
    weight_decay: float = 0.0,
    check_base: bool = True,
) -> AbstractContextManager["TrainOnly"]:
    """Returns a context manager that yields a callback and an optimizer with which a trainer trains only the mask's
    entries.

    Args:
        model: the model, on the device that trains it.
        mask: entries to train, or the path of a mask file.
        lr: peak learning rate. 3e-5 is the paper's, for billions of weights.
        weight_decay: decoupled weight decay, on the selected entries alone.
        check_base: True refuses a model that the mask was not made for. Pass False for a model that has been trained
            since.

    Raises:
        ValueError: `model` is not a model, or `mask` is not a mask, is empty or was made for another model.
    """
    require_module(model)
    return _trained_alone(model, as_mask(mask), lr=lr, weight_decay=weight_decay, check_base=check_base)


class _Settings(TypedDict):
    lr: float
    weight_decay: float
    check_base: bool


@contextmanager
def _trained_alone(model: PreTrainedModel, mask: Mask, **settings: Unpack[_Settings]) -> Iterator["TrainOnly"]:
    with freeze_unmasked(model, mask), SparseAdamW(model, mask, **settings) as optimizer:
        yield TrainOnly(optimizer, masked_entries(model, mask))


class TrainOnly(TrainerCallback):
    """The optimizer and callback with which a trainer trains selected entries alone. `train_only` makes it."""

    def __init__(self, optimizer: SparseAdamW, entries: list[Entries]) -> None:
        self.optimizers = (optimizer, None)
        """Argument for the trainer's `optimizers`. The trainer makes the schedule."""
        self._optimizer, self._entries = optimizer, entries

    def __repr__(self) -> str:
        return f"<TrainOnly: {sum(map(len, self._entries)):,} weights, optimizers=(SparseAdamW, None)>"

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Unpack[HookArguments]
    ) -> None:
        """Passes the trainer's clipping on to SparseAdamW, and records a digest of the entries that must not change.

        Raises:
            ValueError: the trainer has another optimizer, runs several processes, or uses another device than the model
                had.
        """
        self._refuse_unfit(args, given["optimizer"])
        for group in self._optimizer.param_groups:
            group["max_grad_norm"] = args.max_grad_norm
        self._rest = digest_outside(given["model"], self._entries)

    def on_step_end(self, *_: object, **__: object) -> None:
        """Clears the packed gradients, also after a step that the trainer skipped."""
        self._optimizer.zero_grad()

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Unpack[HookArguments]
    ) -> None:
        """Checks that no other entry has changed.

        Raises:
            InvariantError: an entry outside the mask has changed.
        """
        if digest_outside(given["model"], self._entries) != self._rest:
            raise InvariantError("entries outside the mask have changed while the masked ones were trained.")

    def _refuse_unfit(self, args: TrainingArguments, optimizer: torch.optim.Optimizer) -> None:
        if innermost(optimizer) is not self._optimizer:
            raise ValueError("the trainer made an optimizer of its own; give it `optimizers=only.optimizers` as well.")
        if args.world_size > 1 and not self._optimizer.is_sharded:
            raise ValueError(
                f"the trainer's {args.world_size} processes add up gradients that SparseAdamW has freed by then; load "
                f"the model with distributed_config=DistributedConfig(fsdp_size={args.world_size}), train in one "
                "process, or use `holdfast enhance`."
            )
        if moved := [entry for entry in self._entries if entry.weight.device != entry.index.device]:
            raise ValueError(
                f"the trainer moved {moved[0].name} from {moved[0].index.device} to {moved[0].weight.device}; "
                "move the model there before `train_only`."
            )
