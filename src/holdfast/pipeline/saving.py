"""A tuned model as a checkpoint like any of Hugging Face's, in its storage dtype, with its tokenizer."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from transformers import PreTrainedModel

from holdfast.artifacts import allow_as_umask
from holdfast.distributed import first
from holdfast.models.load import LoadedModel, quiet_transformers
from holdfast.models.shards import is_sharded
from holdfast.models.stored import open_stored


def save_checkpoint(folder: Path, tuned: LoadedModel) -> None:
    """Writes the checkpoint; the first of several processes does, in whose memory a sharded model is gathered."""
    if is_sharded(tuned.model):
        gather = StateDictOptions(full_state_dict=True, cpu_offload=True)
        values = get_model_state_dict(tuned.model, options=gather)
        first(lambda: _save_values(folder, tuned, values))
    else:
        first(lambda: _save_whole(folder, tuned))


def _save_whole(folder: Path, tuned: LoadedModel) -> None:
    dtype = tuned.model.dtype
    # Exact: the tuned values are already ones that the storage dtype holds.
    nn.Module.to(tuned.model, tuned.storage_dtype)
    _write(folder, tuned, tuned.model)
    nn.Module.to(tuned.model, dtype)


def _save_values(folder: Path, tuned: LoadedModel, values: Mapping[str, Any]) -> None:
    """Of a sharded model, which can't change its dtype: through one of the same kind that holds no values."""
    empty = open_stored(tuned.name, tuned.storage_dtype).model
    weights = dict(empty.named_parameters())
    tied = {name for name, _ in empty.named_parameters(remove_duplicate=False)} - weights.keys()
    stored = {
        name: value.to(tuned.storage_dtype) if name in weights else value
        for name, value in values.items()
        if name not in tied
    }
    _write(folder, tuned, empty, stored)


def _write(
    folder: Path, tuned: LoadedModel, model: PreTrainedModel, values: dict[str, torch.Tensor] | None = None
) -> None:
    with quiet_transformers():
        model.save_pretrained(folder, state_dict=values)
        tuned.tokenizer.save_pretrained(folder)
    for file in folder.glob("*.safetensors"):
        allow_as_umask(file)
