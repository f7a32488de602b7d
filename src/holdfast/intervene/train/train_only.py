"""SET in anybody's Hugging Face or TRL trainer: SparseAdamW, and a callback for what a trainer does around it

    with train_only(model, mask, lr=1e-3) as only:
        trainer = SFTTrainer(model, ..., optimizers=only.optimizers, callbacks=[only])
        trainer.train()

A trainer clips dense gradients, which are gone by then: the callback has SparseAdamW clip the selected entries by the
trainer's `max_grad_norm`; the `grad_norm` in the trainer's log is of no gradient, and 0. A trainer that skips a step,
for gradients that are not finite, clears only the dense ones: the callback clears the others. Learning rate and weight
decay are those given here and not the trainer's, as with any optimizer that a trainer is handed; its schedule applies.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, TrainerCallback, TrainingArguments
from transformers.trainer_callback import TrainerControl, TrainerState

from holdfast.artifacts import as_mask
from holdfast.errors import InvariantError
from holdfast.intervene.entries import Entries, digest_outside, masked_entries
from holdfast.intervene.hold.protect import innermost
from holdfast.intervene.train.sparse_adamw import SparseAdamW, freeze_unmasked
from holdfast.models.load import require_module
from holdfast.values import Mask


def train_only(
    model: PreTrainedModel,
    mask: Mask | str | Path,
    *,
    lr: float = 3e-5,
    weight_decay: float = 0.0,
    check_base: bool = True,
) -> AbstractContextManager["TrainOnly"]:
    """A context manager: while it lasts, a trainer that is given what it yields trains the mask's entries and no other.

    Args:
        model: on the device that it will be trained on.
        mask: which entries are trained, or the path of its file.
        lr: peak learning rate; 3e-5 is the paper's, for billions of weights.
        weight_decay: decoupled, on the selected entries alone.
        check_base: whether to refuse a model that the mask was not made for; pass False for one that has trained since.

    Raises:
        ValueError: the model is none, or the mask is none, is empty or made for another model.
    """
    require_module(model)
    return _trained_alone(model, as_mask(mask), {"lr": lr, "weight_decay": weight_decay, "check_base": check_base})


@contextmanager
def _trained_alone(model: PreTrainedModel, mask: Mask, how: Mapping[str, Any]) -> Iterator["TrainOnly"]:
    with freeze_unmasked(model, mask), SparseAdamW(model, mask, **how) as optimizer:
        yield TrainOnly(optimizer, masked_entries(model, mask))


class TrainOnly(TrainerCallback):
    """What a trainer needs to train selected entries alone; made by `train_only`."""

    def __init__(self, optimizer: SparseAdamW, entries: list[Entries]) -> None:
        self.optimizers = (optimizer, None)
        """For the trainer's `optimizers`; it makes the schedule."""
        self._optimizer, self._entries = optimizer, entries

    def __repr__(self) -> str:
        return f"<TrainOnly: {sum(map(len, self._entries)):,} weights, optimizers=(SparseAdamW, None)>"

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        *,
        model: PreTrainedModel,
        optimizer: torch.optim.Optimizer,
        **_: Any,
    ) -> None:
        """Has the trainer's clipping done, and notes what must not change.

        Raises:
            ValueError: the trainer has another optimizer, several processes, or another device than the model had.
        """
        self._refuse_unfit(args, optimizer)
        for group in self._optimizer.param_groups:
            group["max_grad_norm"] = args.max_grad_norm
        self._rest = digest_outside(model, self._entries)

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Drops the gradients of a step that was skipped."""
        self._optimizer.zero_grad()

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, *, model: PreTrainedModel, **_: Any
    ) -> None:
        """Checks that no other entry has changed.

        Raises:
            InvariantError: one has.
        """
        if digest_outside(model, self._entries) != self._rest:
            raise InvariantError("entries outside the mask have changed while the masked ones were trained.")

    def _refuse_unfit(self, args: TrainingArguments, optimizer: torch.optim.Optimizer) -> None:
        if innermost(optimizer) is not self._optimizer:
            raise ValueError("the trainer made an optimizer of its own; give it `optimizers=only.optimizers` as well.")
        if args.world_size > 1 and not self._optimizer.is_sharded:
            raise ValueError(
                f"the trainer's {args.world_size} processes add gradients up that SparseAdamW has taken by then; load "
                f"the model with distributed_config=DistributedConfig(fsdp_size={args.world_size}), train in one "
                "process, or use `holdfast enhance`."
            )
        if moved := [entry for entry in self._entries if entry.weight.device != entry.index.device]:
            raise ValueError(
                f"the trainer moved {moved[0].name} from {moved[0].index.device} to {moved[0].weight.device}; "
                "move the model there before `train_only`."
            )
