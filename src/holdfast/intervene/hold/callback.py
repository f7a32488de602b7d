"""SPA in anybody's Hugging Face or TRL trainer, by one callback   (the hold of `protect`, from first step to last)

    trainer = SFTTrainer(model, ..., callbacks=[ProtectCallback(mask)])

Entries are held at the base's values; that they kept every bit is checked after each save and at the end, where one
line says so: "held 1,061,683 weights (1.00%); every bit checked at steps 300, 600 and the end". Importance moves
while a model trains (arXiv 2604.14010), so the mask can be made anew every so many steps.

Training starts from the model that the mask was made for, by its fingerprint. A run that is resumed has other weights,
of which the held ones alone must be the base's. So the trainer's state keeps the hash of what is held, in each of its
checkpoints, and the resumed run has to show the same.

A model with LoRA adapters is held by `protect_lora`: its frozen base can be checked at any time. That hold outlives the
training, because an adapter moves the entries as soon as it is let go: every save writes the mask beside the adapter.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from tqdm.auto import tqdm
from transformers import PreTrainedModel, TrainerCallback, TrainingArguments
from transformers.trainer_callback import TrainerControl, TrainerState
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from holdfast.artifacts import ValuesHash, as_mask, load_mask, save_mask
from holdfast.distributed import wait_for_all
from holdfast.intervene.base import require_base
from holdfast.intervene.entries import mask_digest, masked_entries, refuse_adapters, refuse_misfit
from holdfast.intervene.hold.hold_summary import hold_summary
from holdfast.intervene.hold.lora import LoraProtection, held_by, layers_to_hold, protect_lora
from holdfast.intervene.hold.probe import ROLLED_BACK
from holdfast.intervene.hold.protect import Protection, innermost, is_protected, protect
from holdfast.intervene.train.sparse_adamw import SparseAdamW
from holdfast.values import Mask

RECORD = "holdfast.ProtectCallback"
"""In the trainer's state: which entries are held, and the hash of their values."""

WITH_PEFT = "put them on with peft.get_peft_model, and this callback holds the effective weights"
"""What to do with adapters that were put into the model itself."""

logger = logging.getLogger(__name__)


class ProtectCallback(TrainerCallback):
    """Holds the entries that a mask selects, under whatever optimizer and settings the trainer has.

    What is not held is trained, embeddings and head included, unless the script freezes it by `requires_grad_(False)`.

    With a refresh, equality is promised since the last one alone: entries that the new mask leaves out are free from
    then on, and those that it takes in are held at the values that they have come to.
    """

    def __init__(
        self,
        mask: Mask | str | Path,
        refresh: Callable[[PreTrainedModel], Mask] | None = None,
        every: int = 0,
        *,
        check_base: bool = True,
        quiet: bool = False,
    ) -> None:
        """Says what to hold.

        Args:
            mask: which entries are held, or the path of the file that `holdfast select` wrote.
            refresh: makes the mask anew from the model as it is, e.g. `holdfast.top_mask_refresh(...)`.
            every: steps between refreshes. Each checkpoint keeps the mask of its step, and a resumed run goes on
                with it.
            check_base: whether to refuse a model that is neither the mask's base nor resumed from a checkpoint of this
                hold. With False its entries are held at the values that they have when training begins.
            quiet: whether to print nothing at the end. The line is then logged, at the level INFO.

        Raises:
            ValueError: only one of `refresh` and `every` is given, or the mask is no mask and no file of one.
        """
        if every < 0 or (refresh is None) != (every == 0):
            raise ValueError(
                f"a refresh needs its steps and the steps a refresh, got every={every}; give both or neither."
            )
        self.mask = self._given = as_mask(mask)
        """What is held now."""
        self._refresh, self._every, self._check_base, self._quiet = refresh, every, check_base, quiet
        self._hold: Protection | LoraProtection | None = None
        self._record: dict[str, str] | None = None
        self._checked: list[int] = []
        """Steps after which the hold was checked, since it was taken."""

    def __repr__(self) -> str:
        refreshed = f", made anew every {self._every} steps" if self._refresh else ""
        return f"<ProtectCallback: {self.mask!r}{refreshed}{', holding' if self._hold else ''}>"

    def on_init_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        *,
        model: PreTrainedModel,
        optimizer: torch.optim.Optimizer | None = None,
        **_: Any,
    ) -> None:
        """Refuses what can be seen to go wrong as soon as the trainer is made.

        Raises:
            ValueError: as in `on_train_begin`, but for the model's values, which a resumed run has yet to load.
        """
        self._refuse_settings(args, optimizer)
        if isinstance(model, PeftModel):
            layers_to_hold(model, self.mask)
        elif not any(hasattr(weight, "ds_id") for weight in model.parameters()):  # DeepSpeed's have no shapes left
            refuse_adapters(model, WITH_PEFT)
            refuse_misfit(dict(model.named_parameters()), type(model).__name__, self.mask.shapes)

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        *,
        model: PreTrainedModel,
        optimizer: torch.optim.Optimizer,
        **given: Any,
    ) -> None:
        """Takes hold.

        Raises:
            ValueError: the mask is empty or made for another model, the checkpoint was not made under this hold, the
                adapters can't be held, something else holds or trains selected entries, or the settings would undo a
                refresh.
        """
        self._refuse_settings(args, optimizer)
        self.mask = self._resumed_mask(args, state)
        if not isinstance(model, PeftModel):
            self._refuse_other_start(state, model)
        elif self._refresh:
            raise ValueError(
                "a refresh can't hold adapters: entries that a new mask takes in have moved, and adapters are held at "
                "the base's values; leave refresh and every out."
            )
        self._take_hold(state, model=model, optimizer=optimizer, **given)

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
        """Checks the hold, says so, and lets go, but of adapters, which would move the entries from then on."""
        saves, self._checked = self._checked, []
        self._verify(state)
        if self._checked and not self._is_told:
            wait_for_all()  # each process checks what it holds, and the first speaks for all
            self._say(hold_summary(self.mask, saves, self._since if self._refresh else 0), state)
            self._is_told = True
        if not isinstance(self._hold, LoraProtection):
            self._let_go()

    def release(self) -> None:
        """Lets go of adapters that are held still; save or merge them before."""
        self._let_go()

    def _say(self, line: str, state: TrainerState) -> None:
        if self._quiet:
            logger.info("%s", line)
        elif state.is_world_process_zero:
            tqdm.write(line)  # as the trainer prints its losses: its bar may be open

    def _refuse_settings(self, args: TrainingArguments, optimizer: torch.optim.Optimizer | None) -> None:
        if self._refresh and args.load_best_model_at_end:
            raise ValueError(
                "load_best_model_at_end could undo a refresh of the mask; set it to False, or refresh never."
            )
        if optimizer is not None and isinstance(innermost(optimizer), SparseAdamW):
            raise ValueError(
                "train_only trains its mask's entries and no others, so ProtectCallback has nothing to add; leave one "
                "of the two out."
            )

    def _take_hold(
        self,
        state: TrainerState,
        *,
        model: PreTrainedModel | PeftModel,
        optimizer: torch.optim.Optimizer,
        **_: Any,
    ) -> None:
        if isinstance(model, PeftModel):
            self._hold = _held_adapters(model, self.mask, check_base=self._check_base)
        else:
            self._let_go()  # of a run that did not end
            _refuse_second(optimizer)
            self._hold = protect(optimizer, self.mask, model, check_base=False)  # the start was checked
            self._record = _kept_with(state)[RECORD] = _record(model, self.mask)
        self._since, self._told = state.global_step, len(state.log_history)
        self._checked, self._is_told = [], False

    def _refuse_other_start(self, state: TrainerState, model: PreTrainedModel) -> None:
        """Raises ValueError when the model's values at the mask's entries are not known to be the base's."""
        refuse_adapters(model, WITH_PEFT)
        earlier = [_kept_with(state).get(RECORD), self._record]
        if not self._check_base or _record(model, self.mask) in earlier:
            return
        if not state.global_step:
            require_base("the mask", self.mask.base, dict(model.named_parameters()))
        elif not self._refresh:  # else what a refreshed mask takes in is held at its present values
            raise ValueError(
                f"the checkpoint of step {state.global_step} was not made under this hold, so nobody knows whether its "
                "entries have the base's values; begin with the base, or pass check_base=False to hold them at those "
                "that they have now."
            )

    def _let_go(self) -> None:
        if self._hold:
            self._hold.release()
        self._hold = None

    def _verify(self, state: TrainerState) -> None:
        # Weights that a SafetyProbe took back to before a refresh are of the mask before it.
        went_back = [record[ROLLED_BACK] for record in state.log_history[self._told :] if ROLLED_BACK in record]
        if self._hold and not any(step < self._since for step in went_back):
            self._hold.verify()
            if state.global_step not in self._checked:  # a callback may be in a trainer's list twice
                self._checked.append(state.global_step)

    def _resumed_mask(self, args: TrainingArguments, state: TrainerState) -> Mask:
        path = _mask_file(args, state)
        if not self._refresh or not state.global_step:
            return self._given
        if path.is_file():
            return load_mask(path)
        logger.warning("%s does not exist: from step %d the mask that was given is held.", path, state.global_step)
        return self._given


def _refuse_second(optimizer: torch.optim.Optimizer) -> None:
    """Raises ValueError when another hold writes after this optimizer's steps."""
    if is_protected(optimizer):
        raise ValueError(
            "the weights are under another hold already, of a second ProtectCallback or of protect; keep one, and give "
            "it the union of the masks (first | second)."
        )


def _kept_with(state: TrainerState) -> dict[str, Any]:
    """What the trainer writes into the state of each checkpoint; it is a dictionary, whatever it is annotated as."""
    kept: Any = state.stateful_callbacks
    return kept


def _record(model: PreTrainedModel, mask: Mask) -> dict[str, str]:
    """What is held: which entries of which base, at which values."""
    values = ValuesHash()
    for entry in masked_entries(model, mask):
        values.update(entry.name, entry.read_whole().float())  # the same whatever the dtype
    return {"base": mask.base, "mask": mask_digest(mask), "values": values.hexdigest()}


def _held_adapters(model: PeftModel, mask: Mask, *, check_base: bool) -> LoraProtection:
    """A hold on the model's adapters, which may be there since a training before, or since they were loaded."""
    hold = held_by(model)
    is_this = hold is not None and hold.mask.base == mask.base and hold.mask.equals(mask)
    return hold if hold and is_this else protect_lora(model, mask, check_base=check_base)


def _mask_file(args: TrainingArguments, state: TrainerState) -> Path:
    return Path(str(args.output_dir)) / f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}" / "mask.safetensors"
