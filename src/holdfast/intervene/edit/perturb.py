"""w <- w + N(0, 1) * sigma * ratio on the selected entries, for a while   (does safety rest on them?)

sigma is the standard deviation of the matrix that w belongs to; a tensor of fused experts or fused qkv holds several
matrices, each with its own sigma. The paper uses ratio 0.38 (arXiv 2604.08297). Ours: every bit comes back afterwards.
"""

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel

from holdfast.arguments import require
from holdfast.artifacts import as_mask
from holdfast.intervene.base import require_base
from holdfast.intervene.entries import Entries, masked_entries
from holdfast.models.layout import Layout, sigma
from holdfast.models.load import require_module
from holdfast.models.sites import find_scored
from holdfast.values import Mask


def perturbed(
    model: PreTrainedModel,
    mask: Mask | str | Path,
    ratio: float,
    generator: torch.Generator,
    *,
    check_base: bool = True,
) -> AbstractContextManager[None]:
    """A context manager: adds noise to the selected entries while it lasts; then every bit is as before.

    Args:
        model: changed in place; only the selected values are saved beside it.
        mask: which entries, or the path of its file; its parameters must be scored ones of this model.
        ratio: noise in sigmas, 0 or more.
        generator: a CPU generator, so that a draw does not depend on where the model lies.
        check_base: whether to refuse a mask of another model, which hashes all weights; once is enough for many draws.

    Raises:
        ValueError: the mask is empty or made for another model, or the ratio is negative or not finite.
    """
    require_module(model)
    require(generator, torch.Generator, "give torch.Generator().manual_seed(SEED)")
    if not isinstance(ratio, int | float) or not math.isfinite(ratio) or ratio < 0:
        raise ValueError(f"the noise ratio must be 0 or more, got {ratio!r}; the paper's is 0.38.")
    return _noise_on(model, as_mask(mask), ratio, generator, check_base=check_base)


@contextmanager
def _noise_on(
    model: PreTrainedModel, mask: Mask, ratio: float, generator: torch.Generator, *, check_base: bool
) -> Iterator[None]:
    entries = masked_entries(model, mask)
    require_base("the mask", mask.base, dict(model.named_parameters()), check_base=check_base)
    sites = find_scored(model, list(mask.indices))
    saved = [entry.read() for entry in entries]
    try:
        for entry, values in zip(entries, saved, strict=True):
            noise = torch.randn(len(entry), generator=generator).to(values.device)
            # Summed in float32: rounding the noise first would bias small draws.
            entry.write(values.float() + noise * _sigmas(entry, sites[entry.name].layout) * ratio)
        yield
    finally:
        for entry, values in zip(entries, saved, strict=True):
            entry.write(values)


def _sigmas(entry: Entries, layout: Layout) -> Float[Tensor, " selected"]:
    """For each selected entry the standard deviation of its matrix, float32."""
    places = torch.unravel_index(entry.index.long(), entry.weight.shape)
    return sigma(entry.weight, layout).expand(entry.weight.shape)[places]
