"""Files for commands that need no model: scores of two small layers, made up."""

from pathlib import Path

import torch

from holdfast.artifacts import save_scores
from holdfast.values import Scores

SHAPES = {
    f"model.layers.{layer}.{site}.weight": shape
    for layer in (0, 1)
    for site, shape in (("self_attn.v_proj", (10, 20)), ("mlp.up_proj", (20, 15)))
}


def write_scores(path: Path, seed: int = 0, base: str = "base") -> Path:
    """A thousand seeded scores in [0, 1), in a file."""
    generator = torch.Generator().manual_seed(seed)
    entries = {name: torch.rand(shape, generator=generator) for name, shape in SHAPES.items()}
    save_scores(path, Scores(entries, "log-odds", base, 2000, {"seed": seed}))
    return path
