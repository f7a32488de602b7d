"""SET in any Hugging Face or TRL trainer: SparseAdamW, and a callback that fits it to the trainer

    with train_only(model, mask, lr=1e-3) as only:
        trainer = SFTTrainer(model, ..., optimizers=only.optimizers, callbacks=[only])
        trainer.train()

A trainer clips dense gradients, which SparseAdamW has freed by then. So the callback has SparseAdamW clip the
selected entries, by the trainer's `max_grad_norm` unless `train_only` got one. The trainer would log a `grad_norm` of
0, and the callback puts the norm of the selected entries' gradient in its place. A logging service that the trainer
asks before its callbacks, such as W&B, still gets 0. A trainer that skips a step, because gradients are not finite,
clears only the dense gradients. The callback clears the packed ones. As with any optimizer given to a trainer,
learning rate and weight decay are those of the optimizer, and the trainer's schedule applies. A warning names
settings of the trainer that have no effect.
"""

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TypedDict, Unpack

import torch
from transformers import PreTrainedModel, TrainerCallback, TrainingArguments
from transformers.trainer_callback import TrainerControl, TrainerState

from holdfast.arguments import checked_call
from holdfast.errors import InvariantError
from holdfast.intervene.entries import OTHERS_CHANGED, Entries, digest_outside, masked_entries, refuse_adapters
from holdfast.intervene.hold.hook_arguments import HookArguments
from holdfast.intervene.hold.protect import innermost
from holdfast.intervene.train.sparse_adamw import (
    WITHOUT_ADAPTERS,
    SparseAdamW,
    freeze_unmasked,
    require_training_numbers,
)
from holdfast.models.given import module_of
from holdfast.models.load import LoadedModel
from holdfast.value_or_path import as_mask
from holdfast.values import Mask

logger = logging.getLogger(__name__)


@checked_call
def train_only(
    model: PreTrainedModel | LoadedModel,
    mask: Mask | str | Path,
    *,
    lr: float = 3e-5,
    weight_decay: float = 0.0,
    max_grad_norm: float | None = None,
    check_base: bool = True,
) -> AbstractContextManager["TrainOnly"]:
    """Returns a context manager that yields a callback and an optimizer with which a trainer trains only the mask's
    entries.

    Args:
        model: the model or a LoadedModel, on the device that trains it.
        mask: entries to train, or the path of a mask file.
        lr: peak learning rate, in place of the trainer's. 3e-5 is the paper's, for billions of weights.
        weight_decay: decoupled weight decay, on the selected entries alone, in place of the trainer's.
        max_grad_norm: largest norm of the selected entries' gradient. 0 does not clip. None takes the trainer's
            setting, which is 1.0 by default, as in `enhance`.
        check_base: True refuses a model that the mask was not made for. Pass False for a model that has been trained
            since.

    Raises:
        ValueError: `model` is not a model, or `mask` is not a mask, is empty or was made for another model. Or a number
            is out of its range, or the block ends and no optimizer has used the gradients.
    """
    model = module_of(model)
    require_training_numbers(lr, weight_decay, max_grad_norm)
    settings: _Settings = {"lr": lr, "weight_decay": weight_decay, "check_base": check_base}
    return _trained_alone(model, as_mask(mask), max_grad_norm, **settings)


class _Settings(TypedDict):
    lr: float
    weight_decay: float
    check_base: bool


@contextmanager
def _trained_alone(
    model: PreTrainedModel, mask: Mask, max_grad_norm: float | None, **settings: Unpack[_Settings]
) -> Iterator["TrainOnly"]:
    with freeze_unmasked(model, mask), SparseAdamW(model, mask, **settings) as optimizer:
        only = TrainOnly(optimizer, masked_entries(model, mask), max_grad_norm)
        yield only
        only.refuse_unused()


class TrainOnly(TrainerCallback):
    """The optimizer and callback with which a trainer trains selected entries alone. `train_only` makes it."""

    def __init__(self, optimizer: SparseAdamW, entries: list[Entries], max_grad_norm: float | None = None) -> None:
        self.optimizers = (optimizer, None)
        """Argument for the trainer's `optimizers`. The trainer makes the schedule."""
        self._optimizer, self._entries, self._max_grad_norm = optimizer, entries, max_grad_norm
        self._has_begun = self._has_stepped = False
        optimizer.register_step_pre_hook(self._notice_step)

    def __repr__(self) -> str:
        return f"<TrainOnly: {sum(map(len, self._entries)):,} weights, optimizers=(SparseAdamW, None)>"

    def on_init_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Unpack[HookArguments]
    ) -> None:
        """Refuses adapters when the trainer is made, before any training.

        Raises:
            ValueError: the trainer has added LoRA or other adapters to the model.
        """
        refuse_adapters(given["model"], WITHOUT_ADAPTERS)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Unpack[HookArguments]
    ) -> None:
        """Passes the trainer's clipping on to SparseAdamW, and records a digest of the entries that must not change.

        Raises:
            ValueError: the trainer has another optimizer, runs several processes, or uses another device than the model
                had. Or the model has adapters.
        """
        refuse_adapters(given["model"], WITHOUT_ADAPTERS)
        self._refuse_unfit(args, given["optimizer"])
        self._warn_of_idle_settings(args)
        self._has_begun = True
        clip = args.max_grad_norm if self._max_grad_norm is None else self._max_grad_norm
        for group in self._optimizer.param_groups:
            group["max_grad_norm"] = clip
        self._rest = digest_outside(given["model"], self._entries)

    def on_step_end(self, *_: object, **__: object) -> None:
        """Clears the packed gradients, also after a step that the trainer skipped."""
        self._optimizer.zero_grad()

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Unpack[HookArguments]
    ) -> None:
        """Replaces the trainer's `grad_norm` of 0 by the norm of the selected entries' gradient before clipping.

        The trainer measures its own after the gradients have left the model.
        """
        norm = self._optimizer.grad_norm
        for logged in (given.get("logs", {}), *state.log_history[-1:]):
            if "grad_norm" in logged and norm is not None:
                logged["grad_norm"] = float(norm)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Unpack[HookArguments]
    ) -> None:
        """Checks that no other entry has changed.

        Raises:
            InvariantError: an entry outside the mask has changed.
        """
        if digest_outside(given["model"], self._entries) != self._rest:
            raise InvariantError(OTHERS_CHANGED)

    def refuse_unused(self) -> None:
        """Raises ValueError when gradients have arrived and no step has used them: nothing was trained."""
        if self._optimizer.has_gradients and not self._has_stepped:
            raise ValueError(
                "nothing was trained: the gradients of the mask's weights went to `train_only`, whose optimizer made "
                "no step; give the trainer `optimizers=only.optimizers, callbacks=[only]`."
            )

    def _notice_step(self, *_: object) -> None:
        if not self._has_begun and not self._has_stepped:
            logger.warning(
                "the trainer has the optimizer of `train_only` and not its callback, so it neither clips gradients nor "
                "checks that the other weights stay as they are; give it `callbacks=[only]` as well."
            )
        self._has_stepped = True

    def _warn_of_idle_settings(self, args: TrainingArguments) -> None:
        """Names settings of the trainer that somebody chose and that the optimizer or an argument replaces."""
        group = self._optimizer.param_groups[0]
        used = {"learning_rate": ("lr", group.get("initial_lr", group["lr"]))}
        used["weight_decay"] = ("weight_decay", group["weight_decay"])
        if self._max_grad_norm is not None:
            used["max_grad_norm"] = ("max_grad_norm", self._max_grad_norm)
        for name, (argument, value) in used.items():
            chosen, default = getattr(args, name, value), getattr(type(args), name, None)
            if chosen not in (value, default):
                logger.warning(
                    "the trainer's %s=%g has no effect, because `train_only` trains with %s=%g; give `train_only` the "
                    "value that you want.",
                    name, chosen, argument, value,
                )  # fmt: skip

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
