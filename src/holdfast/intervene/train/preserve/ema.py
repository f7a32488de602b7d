"""EMA: theta_ema = d theta_ema + (1 - d) theta after every step, and theta_ema is the result   (d = 0.995)

The average of the weights along the training stays closer to the start than its end. It needs no data. arXiv 2508.12531
reports 3% unsafe answers with it, 5% with a tuned learning rate alone, and 16% with a usual one.

With few steps the start keeps a large part: d^n of it after n steps. An entry that does not move keeps every bit, so
SPA's hold outlives the average. A checkpoint keeps the average, and a resumed run continues with the same bits.
"""

from pathlib import Path
from typing import Unpack

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import TrainerCallback, TrainingArguments
from transformers.trainer_callback import TrainerControl, TrainerState
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from holdfast.intervene.hold.hook_arguments import HookArguments
from holdfast.intervene.train.parts import Parts, Start

FILE = "ema.safetensors"
"""File of a checkpoint that holds the average."""


class EmaCallback(TrainerCallback):
    """Averages the trained weights in float32, and puts the average into the model at the end."""

    def __init__(self, decay: float) -> None:
        self._decay = decay
        self._average: dict[str, Tensor] = {}

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Unpack[HookArguments]
    ) -> None:
        """Begins with the model's weights, or with the average of the checkpoint that a run resumes from.

        Raises:
            ValueError: that checkpoint has no average.
        """
        trained = _trained(given["model"])
        self._average = {name: weight.detach().float().clone() for name, weight in trained.items()}
        if state.global_step:
            saved = _load(_file(args, state))
            for name, average in self._average.items():
                average.copy_(saved[name])

    @torch.no_grad()
    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Unpack[HookArguments]
    ) -> None:
        """Adds the weights of this step, and saves the average where a checkpoint follows."""
        weights = _trained(given["model"])
        for name, average in self._average.items():
            average.lerp_(weights[name].detach().float(), 1 - self._decay)
        if control.should_save:
            self._save(args, state)

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        """Saves the average beside a checkpoint that no step announced."""
        if not _file(args, state).is_file():
            self._save(args, state)

    @torch.no_grad()
    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Unpack[HookArguments]
    ) -> None:
        """Puts the average into the model."""
        for name, weight in _trained(given["model"]).items():
            average = self._average[name]
            # Equal numbers keep the weight, so that a held -0.0 does not become 0.0.
            weight.copy_(torch.where(average == weight, weight.float(), average))
        self._average = {}

    def _save(self, args: TrainingArguments, state: TrainerState) -> None:
        path = _file(args, state)
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({name: average.contiguous() for name, average in self._average.items()}, path)


def _trained(model: nn.Module) -> dict[str, nn.Parameter]:
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}


def _file(args: TrainingArguments, state: TrainerState) -> Path:
    return Path(str(args.output_dir)) / f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}" / FILE


def _load(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise ValueError(f"the checkpoint {str(path.parent)!r} has no average of the weights; start the training anew.")
    return load_file(path)


def _make(start: Start) -> TrainerCallback:
    return EmaCallback(start.options.ema_decay)


PARTS = Parts(callbacks=(_make,))
