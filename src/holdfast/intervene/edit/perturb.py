"""w <- w + N(0, 1) * sigma * ratio on the selected entries, temporarily   (tests whether safety depends on them)

sigma is the standard deviation of w's matrix. A tensor of fused experts or fused qkv holds several matrices, each with
its own sigma. The paper uses ratio 0.38 (arXiv 2604.08297). Our deviation: every bit is restored afterwards.
"""

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel

from holdfast.arguments import checked_call, require
from holdfast.intervene.base import require_base
from holdfast.intervene.entries import Entries, masked_entries, restored
from holdfast.models.given import module_of
from holdfast.models.layout import Layout, sigma
from holdfast.models.load import LoadedModel
from holdfast.models.sites import find_scored
from holdfast.value_or_path import as_mask
from holdfast.values import Mask


@checked_call
def perturbed(
    model: PreTrainedModel | LoadedModel,
    mask: Mask | str | Path,
    ratio: float,
    generator: torch.Generator,
    *,
    check_base: bool = True,
) -> AbstractContextManager[None]:
    """Context manager that adds noise to the selected entries, and restores every bit at its end.

    Example:
        >>> with perturbed(loaded, mask, 0.38, torch.Generator().manual_seed(0)):
        ...     noisy = evaluate(loaded, None, suite, GenerateOptions(max_new_tokens=32))

    Args:
        model: the model or a LoadedModel, changed in place. Memory holds a copy of the selected values only.
        mask: the entries to perturb, as a Mask or as the path of its file. They must lie in scored parameters.
        ratio: size of the noise in sigmas, 0 or more.
        generator: a CPU generator, so that draws do not depend on the model's device.
        check_base: True rejects a mask of another model. The check hashes all weights, so many draws need it once.

    Raises:
        ValueError: the mask is empty or made for another model, or the ratio is negative or not finite.
    """
    model = module_of(model)
    require(generator, torch.Generator, "give torch.Generator().manual_seed(SEED)")
    if not isinstance(ratio, int | float) or not math.isfinite(ratio) or ratio < 0:
        raise ValueError(f"the noise ratio must be 0 or more, got {ratio!r}; the paper's is 0.38.")
    return _noise_on(model, as_mask(mask), ratio, generator, check_base=check_base)


@contextmanager
def _noise_on(
    model: PreTrainedModel, mask: Mask, ratio: float, generator: torch.Generator, *, check_base: bool
) -> Iterator[None]:
    entries = masked_entries(model, mask)
    require_base("the mask", mask, model, check_base=check_base)
    sites = find_scored(model, list(mask.indices))
    with restored(entries) as saved:
        for entry, values in zip(entries, saved, strict=True):
            noise = torch.randn(len(entry), generator=generator).to(values.device)
            # Summed in float32: rounding the noise first would bias small draws.
            entry.write(values.float() + noise * _sigmas(entry, sites[entry.name].layout) * ratio)
        yield


def _sigmas(entry: Entries, layout: Layout) -> Float[Tensor, " selected"]:
    """Standard deviation of the matrix of each selected entry, float32."""
    places = torch.unravel_index(entry.index.long(), entry.weight.shape)
    return sigma(entry.weight, layout).expand(entry.weight.shape)[places]
