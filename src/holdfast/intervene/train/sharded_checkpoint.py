"""Mid-run checkpoints of a sharded model and its optimizer, by torch.distributed.checkpoint, in safetensors.

Every process writes what it holds, so nothing is gathered. A trainer that is given a sharded model keeps no optimizer
state; this callback does. Going on takes as many processes as before: the entries that a SparseAdamW has packed are
each one's own.
"""

import os
import shutil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader, HuggingFaceStorageWriter
from torch.distributed.checkpoint.state_dict import (
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
from holdfast.intervene.hold.protect import innermost
from holdfast.intervene.train.sparse_adamw import SparseAdamW

FLAT = StateDictOptions(flatten_optimizer_state_dict=True)
PREFIX = "sharded-"


class ShardedCheckpoints(TrainerCallback):
    """Keeps the last checkpoint of a run, of which some steps may have been made before."""

    def __init__(self, folder: Path, every: int, steps_before: int) -> None:
        self._folder, self._every, self._before = folder, every, steps_before

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        *,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        **_: Any,
    ) -> None:
        """Keeps the state where it is time."""
        step = self._before + state.global_step
        if step % self._every == 0:
            save_state(self._folder / f"{PREFIX}{step}", model, innermost(optimizer))


def save_state(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Writes a checkpoint, which gets its name when it is whole, and removes those before it."""
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
    """Puts a checkpoint's values into the model and the optimizer, and returns the steps that were made."""
    tensors = _tensors(model, optimizer)
    load(tensors, storage_reader=HuggingFaceStorageReader(str(folder)))
    set_model_state_dict(model, _under("model.", tensors))
    if not isinstance(optimizer, SparseAdamW):  # whose own tensors were read into
        whole = get_optimizer_state_dict(model, optimizer, options=FLAT)
        set_optimizer_state_dict(model, optimizer, whole | _under("optimizer.", tensors), options=FLAT)
    return int(folder.name.removeprefix(PREFIX))


def last_state(folder: Path) -> Path | None:
    """The whole checkpoint with the most steps in a folder."""
    found = [path for path in folder.glob(f"{PREFIX}*") if path.suffix != ".partial"]
    return max(found, key=lambda path: int(path.name.removeprefix(PREFIX)), default=None)


def _tensors(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """All that a run needs to go on, by flat names; what is one process's own has its rank in the name."""
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


def _under(prefix: str, tensors: dict[str, Any]) -> dict[str, Any]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
