"""Checkpoints in folders, one tuned from the other: what tools for files are tried on."""

import hashlib
from pathlib import Path

import torch
from transformers import PreTrainedModel

from holdfast.models.load import quiet_transformers
from tests.tiny import make_llama, make_tokenizer


def save(folder: Path, model: PreTrainedModel, shard: str = "50GB") -> Path:
    """A whole checkpoint: weights in shards of at most this size, config, tokenizer."""
    with quiet_transformers():
        model.save_pretrained(folder, max_shard_size=shard)
    make_tokenizer().save_pretrained(folder)
    return folder


def tune(model: PreTrainedModel, density: float = 0.05, seed: int = 0) -> PreTrainedModel:
    """The same object with this share of every parameter's entries moved."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            chosen = torch.rand(weight.shape, generator=generator) < density
            weight[chosen] += 0.01 + torch.rand(int(chosen.sum()), generator=generator).to(weight.dtype)
    return model


def save_pair(folder: Path, dtype=torch.bfloat16, shard: str = "50GB", make=make_llama) -> tuple[Path, Path]:
    """A base and its tuned self, in one dtype and as many shards."""
    model = make().to(dtype)
    base = save(folder / "base", model, shard)
    return base, save(folder / "tuned", tune(model), shard)


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of weights."""
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.glob("*.safetensors"))}
