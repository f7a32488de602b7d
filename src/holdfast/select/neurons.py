"""weights(neurons) = their columns of down_proj, and their rows of gate_proj and up_proj   (as asked)

A neuron is one hidden unit of an MLP. Its column of down_proj is what it writes: zero there erases the neuron, and a
factor scales it. Its rows of gate_proj and up_proj are what it reads. Everything that changes or holds weights takes
the mask of weights that comes out here.
"""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from transformers import PreTrainedModel

from holdfast.arguments import checked_call, require_choice
from holdfast.made_by import maker_words, version
from holdfast.models.given import model_words, module_of
from holdfast.models.load import LoadedModel
from holdfast.models.mlps import PARTS, Mlp, Part, find_mlps
from holdfast.models.sites import scorable_sites
from holdfast.value_or_path import as_mask
from holdfast.values import Mask, entries_in


@checked_call
def neuron_weights(
    model: PreTrainedModel | LoadedModel, mask: Mask | str | Path, parts: Sequence[Part] = PARTS
) -> Mask:
    """Turns a mask of neurons into the mask of their weights. A mask of weights is returned unchanged.

    Args:
        model: the model that the mask was made for. Its values are not read.
        mask: the mask, or the path of its file.
        parts: matrices whose weights count: down (what a neuron writes), gate and up (what it reads).

    Raises:
        ValueError: the model has no such neurons, the mask selects none, or it has no weight in these matrices.
    """
    model = module_of(model)
    mask = as_mask(mask)
    for part in parts:
        require_choice("a part of a neuron", part, PARTS)
    if mask.granularity == "weight":
        return mask
    selected: dict[str, list[Tensor]] = defaultdict(list)
    mlps = _mlps(model, mask)
    for name, neurons in mask.indices.items():
        mlp = mlps[name]
        for axis in (mlp.axes[part] for part in dict.fromkeys(parts) if part in mlp.axes):
            selected[axis.name].append(axis.entries(neurons, mlp.width))
    if not selected:
        raise ValueError(
            f"the mask selects no weight of neurons in {', '.join(parts) or 'no matrix'}; give one that selects some, "
            f"and parts among {', '.join(PARTS)}."
        )
    indices = {name: torch.cat(pieces).unique() for name, pieces in selected.items()}
    shapes = {site.name: site.shape for site in scorable_sites(model)}
    made_by = {"neurons": dict(mask.made_by), "parts": list(parts), **version()}
    return Mask(indices, shapes, mask.base, sum(map(_count, model.parameters())), made_by)


def _count(weight: Tensor) -> int:
    return weight.numel()


def _mlps(model: PreTrainedModel, mask: Mask) -> dict[str, Mlp]:
    """Returns the MLPs whose neurons a mask is about, by the neurons' name in masks."""
    maker = maker_words(mask.made_by)
    mlps = {f"{mlp.reader}@input": mlp for mlp in find_mlps(model)}
    for name, shape in mask.shapes.items():
        if name not in mlps:
            raise ValueError(
                f"the mask was made for another model: {maker} has {entries_in(shape):,} neurons {name!r}, and "
                f"{model_words(model)} has none; give the model that the mask was made for."
            )
        if mlps[name].shape != tuple(shape):
            raise ValueError(
                f"the mask was made for another model: {maker} has {entries_in(shape):,} neurons {name!r}, and "
                f"{model_words(model)} has {entries_in(mlps[name].shape):,}; give the model that the mask was made for."
            )
    return mlps
