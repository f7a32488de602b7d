"""SPA in anybody's Hugging Face or TRL trainer, by one callback   (the hold of `protect`, from first step to last)

    trainer = SFTTrainer(model, ..., callbacks=[ProtectCallback(mask)])

Entries are held at the values that they have when training begins, or goes on from a checkpoint; that they kept every
bit is checked after each save and at the end. Importance moves while a model trains (arXiv 2604.14010), so the mask can
be made anew every so many steps.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, TrainerCallback, TrainingArguments
from transformers.trainer_callback import TrainerControl, TrainerState
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from holdfast.artifacts import load_mask, save_mask
from holdfast.intervene.probe import ROLLED_BACK
from holdfast.intervene.protect import Protection, protect
from holdfast.values import Mask

logger = logging.getLogger(__name__)


class ProtectCallback(TrainerCallback):
    """Holds the entries that a mask selects, under whatever optimizer and settings the trainer has.

    With a refresh, equality is promised since the last one alone: entries that the new mask leaves out are free from
    then on, and those that it takes in are held at the values that they have come to.
    """

    def __init__(self, mask: Mask, refresh: Callable[[PreTrainedModel], Mask] | None = None, every: int = 0) -> None:
        """Says what to hold.

        Args:
            mask: which entries are held.
            refresh: makes the mask anew from the model as it is, e.g. `holdfast.top_mask_refresh(...)`.
            every: steps between refreshes. Each checkpoint keeps the mask of its step, and a resumed run goes on
                with it.

        Raises:
            ValueError: only one of `refresh` and `every` is given.
        """
        if every < 0 or (refresh is None) != (every == 0):
            raise ValueError(
                f"a refresh needs its steps and the steps a refresh, got every={every}; give both or neither."
            )
        self.mask = self._given = mask
        """What is held now."""
        self._refresh, self._every = refresh, every
        self._hold: Protection | None = None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any
    ) -> None:
        """Takes hold.

        Raises:
            ValueError: the mask is empty or made for another model, or the settings would undo a refresh.
        """
        if self._refresh and args.load_best_model_at_end:
            raise ValueError(
                "load_best_model_at_end could undo a refresh of the mask; set it to False, or refresh never."
            )
        self.mask = self._resumed_mask(args, state)
        self._take_hold(state, **given)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any) -> None:
        """Refreshes the mask where it is time."""
        if self._refresh and state.global_step % self._every == 0 and not control.should_training_stop:
            self._verify(state)
            self._let_go()  # its hooks would blank the gradients that the new mask is made from
            self.mask = self._refresh(given["model"])
            self._take_hold(state, **given)

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any) -> None:
        """Checks the hold, when the checkpoint is written; InvariantError stops the run."""
        self._verify(state)
        if self._refresh and args.should_save:
            save_mask(_mask_file(args, state), self.mask)

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any) -> None:
        """Checks the hold and lets go."""
        self._verify(state)
        self._let_go()

    def _take_hold(
        self, state: TrainerState, *, model: PreTrainedModel, optimizer: torch.optim.Optimizer, **_: Any
    ) -> None:
        self._let_go()  # of a run that did not end
        self._hold = protect(optimizer, self.mask, model)
        self._since, self._told = state.global_step, len(state.log_history)

    def _let_go(self) -> None:
        if self._hold:
            self._hold.release()
        self._hold = None

    def _verify(self, state: TrainerState) -> None:
        # Weights that a SafetyProbe took back to before a refresh are of the mask before it.
        went_back = [record[ROLLED_BACK] for record in state.log_history[self._told :] if ROLLED_BACK in record]
        if self._hold and not any(step < self._since for step in went_back):
            self._hold.verify()

    def _resumed_mask(self, args: TrainingArguments, state: TrainerState) -> Mask:
        path = _mask_file(args, state)
        if not self._refresh or not state.global_step:
            return self._given
        if path.is_file():
            return load_mask(path)
        logger.warning("%s does not exist: from step %d the mask that was given is held.", path, state.global_step)
        return self._given


def _mask_file(args: TrainingArguments, state: TrainerState) -> Path:
    return Path(str(args.output_dir)) / f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}" / "mask.safetensors"
