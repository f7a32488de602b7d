"""Saves and resumes checkpoints of a sharded model and its optimizer, by torch.distributed.checkpoint, in safetensors.

Every process writes the parts that it holds, so nothing is gathered. The Hugging Face trainer saves no optimizer state
for a model that it receives sharded, so this callback does. A run must resume in as many processes as before, because
each packs its own entries in SparseAdamW.
"""

import os
import shutil
from pathlib import Path
from typing import Unpack

import torch
from torch import Tensor, nn
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader, HuggingFaceStorageWriter
from torch.distributed.checkpoint.state_dict import (
    DictValueType,
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save
from transformers import TrainerCallback, TrainingArguments
from transformers.trainer_callback import TrainerControl, TrainerState

from holdfast.distributed import first, rank, wait_for_all
from holdfast.intervene.hold.hook_arguments import HookArguments
from holdfast.intervene.hold.protect import innermost
from holdfast.intervene.train.sparse_adamw import SparseAdamW

FLAT = StateDictOptions(flatten_optimizer_state_dict=True)
PREFIX = "sharded-"


class ShardedCheckpoints(TrainerCallback):
    """A trainer callback that keeps the last checkpoint of a run. `steps_before` counts the steps of earlier calls."""

    def __init__(self, folder: Path, every: int, steps_before: int) -> None:
        self._folder, self._every, self._before = folder, every, steps_before

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Unpack[HookArguments]
    ) -> None:
        """Saves the state every `every` steps."""
        step = self._before + state.global_step
        if step % self._every == 0:
            save_state(self._folder / f"{PREFIX}{step}", given["model"], innermost(given["optimizer"]))


def save_state(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Writes a checkpoint, renames it once complete, and removes earlier ones."""
    partial = folder.with_name(f"{folder.name}.partial")
    first(lambda: shutil.rmtree(partial, ignore_errors=True))
    writer = HuggingFaceStorageWriter(str(partial), save_distributed=True)
    save(_tensors(model, optimizer), storage_writer=writer)
    wait_for_all()

    def replace() -> None:
        os.replace(partial, folder)
        for earlier in set(folder.parent.glob(f"{PREFIX}*")) - {folder}:
            shutil.rmtree(earlier)

    first(replace)


def load_state(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Loads a checkpoint into the model and the optimizer, and returns its number of steps."""
    tensors = _tensors(model, optimizer)
    load(tensors, storage_reader=HuggingFaceStorageReader(str(folder)))
    set_model_state_dict(model, _under("model.", tensors))
    if not isinstance(optimizer, SparseAdamW):  # `load` has written into SparseAdamW's own tensors
        whole = get_optimizer_state_dict(model, optimizer, options=FLAT)
        flat = _under("optimizer.", tensors)
        set_optimizer_state_dict(model, optimizer, {**whole, **flat}, options=FLAT)  # pyright: ignore[reportArgumentType]
    return int(folder.name.removeprefix(PREFIX))


def last_state(folder: Path) -> Path | None:
    """Returns the complete checkpoint with the most steps in a folder."""
    complete = [path for path in folder.glob(f"{PREFIX}*") if path.suffix != ".partial"]
    return max(complete, key=lambda path: int(path.name.removeprefix(PREFIX)), default=None)


def _tensors(model: nn.Module, optimizer: torch.optim.Optimizer) -> DictValueType:
    """Returns all tensors that a run needs to resume, by flat names. A process's own tensors are named by rank."""
    tensors = {f"model.{name}": value for name, value in get_model_state_dict(model).items()}
    if isinstance(optimizer, SparseAdamW):
        packs = [optimizer.state[master] for group in optimizer.param_groups for master in group["params"]]
        return tensors | {
            f"optimizer.{rank()}.{place}.{name}": value
            for place, pack in enumerate(packs)
            for name, value in pack.items()
            if value.numel()
        }
    state = get_optimizer_state_dict(model, optimizer, options=FLAT)
    return tensors | {f"optimizer.{name}": value for name, value in state.items() if isinstance(value, Tensor)}


def _under(prefix: str, tensors: DictValueType) -> DictValueType:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
