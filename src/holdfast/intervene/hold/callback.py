"""A callback that adds SPA to any Hugging Face or TRL trainer, and holds the mask's weights as `protect` does.

    trainer = SFTTrainer(model, ..., callbacks=[ProtectCallback(mask)])

From the first step to the last the callback holds the masked entries at the base's values. After each save and at the
end it checks that they kept every bit. At the end it prints one line: "held 1,061,683 weights (1.00%); every bit
checked at steps 300, 600 and the end". Training changes which weights matter most (arXiv 2604.14010), so a refresh can
make the mask anew at intervals.

Training must start from the model that the mask was made for, which its fingerprint proves. A resumed run has other
weights, and only its held weights must equal the base's. Each checkpoint therefore keeps the hash of the held weights
in the trainer's state, and the resumed run must have the same hash.

A model with LoRA adapters is held by `protect_lora`, and its frozen base can be checked at any time. That hold outlives
the training, because a released adapter moves the entries at once. Every save writes the mask beside the adapter.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Unpack, cast

import torch
from peft import PeftModel
from tqdm.auto import tqdm
from transformers import PreTrainedModel, TrainerCallback, TrainingArguments
from transformers.trainer_callback import TrainerControl, TrainerState
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from holdfast.arguments import checked_call, require_steps
from holdfast.artifacts import ValuesHash, load_mask, save_mask
from holdfast.distributed import wait_for_all
from holdfast.intervene.base import require_base
from holdfast.intervene.entries import mask_digest, masked_entries, refuse_adapters, refuse_misfit, require_trainable
from holdfast.intervene.hold.callback_help import CallbackKind
from holdfast.intervene.hold.hold_summary import hold_summary
from holdfast.intervene.hold.hook_arguments import HookArguments
from holdfast.intervene.hold.lora import LoraProtection, held_by, protect_lora
from holdfast.intervene.hold.lora_layers import layers_to_hold
from holdfast.intervene.hold.probe import ROLLED_BACK
from holdfast.intervene.hold.protect import Protection, innermost, is_protected, protect
from holdfast.intervene.train.sparse_adamw import SparseAdamW
from holdfast.models.given import model_words
from holdfast.value_or_path import as_mask
from holdfast.values import Mask

RECORD = "holdfast.ProtectCallback"
"""Key in the trainer's state for the record of the held entries and the hash of their values."""

WITH_PEFT = "add them with peft.get_peft_model, and this callback holds the effective weights"
"""Advice for adapters that were added to the model itself, outside of a PeftModel."""

logger = logging.getLogger(__name__)


@checked_call
class ProtectCallback(TrainerCallback, metaclass=CallbackKind):
    """Holds the entries that a mask selects, under any optimizer and any settings of the trainer.

    Give it to a trainer, whose model must be the one that the mask was made for. Training otherwise works as before:

        trainer = SFTTrainer(model, ..., callbacks=[holdfast.ProtectCallback("mask.safetensors")])
        trainer.train()

    All other weights are trained, embeddings and head included, unless the script freezes them by
    `requires_grad_(False)`.

    With a refresh, the held entries keep their bits only since the last refresh. Entries that the new mask leaves out
    are trained from then on. Entries that it adds are held at their present values.
    """

    def __init__(
        self,
        mask: Mask | str | Path,
        *,
        refresh: Callable[[PreTrainedModel], Mask] | None = None,
        every: int = 0,
        check_base: bool = True,
        quiet: bool = False,
    ) -> None:
        """Sets the mask, and when to make it anew.

        Args:
            mask: the entries to hold, as a Mask or as the path of a file that `holdfast select` wrote.
            refresh: makes a new mask from the model in training, e.g. `holdfast.top_mask_refresh(...)`.
            every: steps between refreshes, needed with `refresh`. Each checkpoint keeps the mask of its step, and a
                resumed run continues with it.
            check_base: True rejects a model that is neither the mask's base nor resumed from a checkpoint of this
                hold. False holds the entries at their values when training begins.
            quiet: True prints nothing at the end, and logs the line at the level INFO.

        Raises:
            ValueError: only one of `refresh` and `every` is given, `refresh` is not a function, or the mask is neither
                a Mask nor a mask file.
        """
        _check_refresh(refresh, every)
        self.mask = self._given = as_mask(mask)
        """The mask that is held now."""
        self._refresh, self._every, self._check_base, self._quiet = refresh, every, check_base, quiet
        self._hold: Protection | LoraProtection | None = None
        self._record: dict[str, str] | None = None
        self._checked: list[int] = []
        """Steps at which this hold was checked."""

    def __repr__(self) -> str:
        refreshed = f", made anew every {self._every} steps" if self._refresh else ""
        return f"<ProtectCallback: {self.mask!r}{refreshed}{', holding' if self._hold else ''}>"

    def on_init_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Unpack[HookArguments]
    ) -> None:
        """Checks the settings and the model when the trainer is made, so that mistakes show before training.

        Raises:
            ValueError: as in `on_train_begin`, except for the model's values, which a resumed run loads later.
        """
        self._refuse_settings(args, given.get("optimizer"))
        model = given["model"]
        if isinstance(model, PeftModel):
            layers_to_hold(model, self.mask)
        elif not any(hasattr(weight, "ds_id") for weight in model.parameters()):  # DeepSpeed empties their shapes
            refuse_adapters(model, WITH_PEFT)
            refuse_misfit(dict(model.named_parameters()), model_words(model), self.mask.shapes, self.mask.made_by)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Unpack[HookArguments]
    ) -> None:
        """Begins the hold.

        Raises:
            ValueError: the mask is empty or made for another model, the checkpoint was not made under this hold, the
                adapters can't be held, or nothing is left to train. Or another hold or `train_only` has the same
                entries, or the settings would undo a refresh.
        """
        model = given["model"]
        self._refuse_settings(args, given["optimizer"])
        self.mask = self._resumed_mask(args, state)
        if not isinstance(model, PeftModel):
            self._refuse_other_start(state, model)
        elif self._refresh:
            raise ValueError(
                "a refresh can't hold adapters: entries that a new mask adds have moved, and adapters are held at the "
                "base's values; leave refresh and every out."
            )
        self._take_hold(state, model, given["optimizer"])

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Unpack[HookArguments]
    ) -> None:
        """Makes the mask anew at the steps of a refresh."""
        if self._refresh and state.global_step % self._every == 0 and not control.should_training_stop:
            self._verify(state)
            self._let_go()  # its hooks would zero the gradients that the new mask is made from
            self.mask = self._refresh(given["model"])
            self._take_hold(state, given["model"], given["optimizer"])

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        """Checks the hold when a checkpoint is written. An InvariantError stops the run."""
        self._verify(state)
        if self._refresh and args.should_save:
            save_mask(_mask_file(args, state), self.mask)

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        """Checks the hold, prints the line that says so, and releases the hold.

        A hold on adapters continues, because released adapters would move the entries.
        """
        saves, self._checked = self._checked, []
        self._verify(state)
        if self._checked and not self._is_printed:
            wait_for_all()  # each process checks its own entries, and the first prints for all
            self._print_line(hold_summary(self.mask, saves, self._since if self._refresh else 0), state)
            self._is_printed = True
        if not isinstance(self._hold, LoraProtection):
            self._let_go()

    def release(self) -> None:
        """Releases adapters that are still held. Save or merge them before."""
        self._let_go()

    def _print_line(self, line: str, state: TrainerState) -> None:
        if self._quiet:
            logger.info("%s", line)
        elif state.is_world_process_zero:
            tqdm.write(line)  # the trainer's progress bar may be open

    def _refuse_settings(self, args: TrainingArguments, optimizer: torch.optim.Optimizer | None) -> None:
        if self._refresh and args.load_best_model_at_end:
            raise ValueError(
                "load_best_model_at_end could undo a refresh of the mask; set it to False, or leave refresh out."
            )
        if optimizer is not None and isinstance(innermost(optimizer), SparseAdamW):
            raise ValueError(
                "train_only trains its mask's entries and no others, so ProtectCallback has nothing to add; leave one "
                "of the two out."
            )

    def _take_hold(
        self, state: TrainerState, model: PreTrainedModel | PeftModel, optimizer: torch.optim.Optimizer
    ) -> None:
        if isinstance(model, PeftModel):
            require_trainable(model)
            self._hold = _held_adapters(model, self.mask, check_base=self._check_base)
        else:
            self._let_go()  # an earlier run may have stopped without its end
            _refuse_second(optimizer)
            self._hold = protect(optimizer, self.mask, model, check_base=False)  # checked in on_train_begin
            self._record = _kept_with(state)[RECORD] = _record(model, self.mask)
        self._since, self._log_start = state.global_step, len(state.log_history)
        self._checked, self._is_printed = [], False

    def _refuse_other_start(self, state: TrainerState, model: PreTrainedModel) -> None:
        """Raises ValueError when the model's values at the mask's entries are not known to be the base's."""
        refuse_adapters(model, WITH_PEFT)
        earlier = [_kept_with(state).get(RECORD), self._record]
        if not self._check_base or _record(model, self.mask) in earlier:
            return
        if not state.global_step:
            require_base("the mask", self.mask, model)
        elif not self._refresh:  # a refreshed mask holds the entries that it adds at their present values
            raise ValueError(
                f"the checkpoint of step {state.global_step} was not made under this hold, so its entries may differ "
                "from the base's; begin with the base, or pass check_base=False to hold them at their present values."
            )

    def _let_go(self) -> None:
        if self._hold:
            self._hold.release()
        self._hold = None

    def _verify(self, state: TrainerState) -> None:
        # Where a SafetyProbe rolled back to before a refresh, the weights belong to the earlier mask.
        went_back = [record[ROLLED_BACK] for record in state.log_history[self._log_start :] if ROLLED_BACK in record]
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
        logger.warning("%s does not exist: from step %d on the first mask is held.", path, state.global_step)
        return self._given


def _check_refresh(refresh: object, every: object) -> None:
    """Raises ValueError unless both are given or neither is, a function and a number of steps."""
    require_steps("every", every, least=0)
    if refresh is None and every:
        raise ValueError(
            f"every={every} counts the steps between refreshes of the mask, and there is no refresh; give "
            "refresh=top_mask_refresh(...) as well, or leave every out."
        )
    if refresh is not None and not callable(refresh):
        raise ValueError(
            f"refresh is {type(refresh).__name__}, and not a function that makes a new mask from the model; give "
            "refresh=top_mask_refresh(...), or leave it out."
        )
    if refresh is not None and not every:
        raise ValueError("refresh needs the number of steps between refreshes; give every=100 as well.")


def _refuse_second(optimizer: torch.optim.Optimizer) -> None:
    """Raises ValueError when another hold writes after this optimizer's steps."""
    if is_protected(optimizer):
        raise ValueError(
            "another hold has these weights already, by a second ProtectCallback or by protect; keep one, and give it "
            "the union of the masks (first | second)."
        )


def _kept_with(state: TrainerState) -> dict[str, dict[str, str]]:
    """The dictionary that the trainer saves with each checkpoint. Its annotation in transformers is wrong."""
    return cast("dict[str, dict[str, str]]", state.stateful_callbacks)


def _record(model: PreTrainedModel, mask: Mask) -> dict[str, str]:
    """Makes the record of a hold: hashes of the base, of the mask and of the held values."""
    values = ValuesHash()
    for entry in masked_entries(model, mask):
        values.update(entry.name, entry.read_whole().float())  # float32 gives one hash for all dtypes
    return {"base": mask.base, "mask": mask_digest(mask), "values": values.hexdigest()}


def _held_adapters(model: PeftModel, mask: Mask, *, check_base: bool) -> LoraProtection:
    """Returns a hold on the model's adapters: a new one, or the hold of an earlier training or of `load_protected`."""
    hold = held_by(model)
    is_this = hold is not None and hold.mask.base == mask.base and hold.mask.equals(mask)
    return hold if hold and is_this else protect_lora(model, mask, check_base=check_base)


def _mask_file(args: TrainingArguments, state: TrainerState) -> Path:
    return Path(str(args.output_dir)) / f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}" / "mask.safetensors"
