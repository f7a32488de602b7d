"""A tuned model as a checkpoint like any of Hugging Face's, in its storage dtype, with its tokenizer."""

from pathlib import Path

import torch
from torch import nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from transformers import PreTrainedModel

from holdfast.artifacts import allow_as_umask
from holdfast.distributed import first
from holdfast.models.load import LoadedModel, load_empty, quiet_transformers
from holdfast.models.shards import is_sharded


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


def _save_values(folder: Path, tuned: LoadedModel, values: dict[str, torch.Tensor]) -> None:
    """Of a sharded model, which can't change its dtype: through one of the same kind that holds no values."""
    empty = load_empty(tuned.name)
    weights = dict(empty.named_parameters())
    tied = {name for name, _ in empty.named_parameters(remove_duplicate=False)} - weights.keys()
    stored = {
        name: value.to(tuned.storage_dtype) if name in weights else value
        for name, value in values.items()
        if name not in tied
    }
    nn.Module.to(empty, tuned.storage_dtype)
    _write(folder, tuned, empty, state_dict=stored)


def _write(folder: Path, tuned: LoadedModel, model: PreTrainedModel, **how: dict[str, torch.Tensor]) -> None:
    with quiet_transformers():
        model.save_pretrained(folder, **how)
        tuned.tokenizer.save_pretrained(folder)
    for file in folder.glob("*.safetensors"):
        allow_as_umask(file)
