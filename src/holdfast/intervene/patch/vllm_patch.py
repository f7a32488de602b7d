"""Patches in the form in which vLLM changes single weights of a model that it serves.

vLLM 0.33 takes records of name, shape, dtype, values and flat indices (its `CheckpointWeightPatch`). They are in the
coordinates of the checkpoint's files: the names and shapes of stored tensors, where a loaded model may have experts or
tied weights under other names. vLLM's own loader then finds their place, also in packed and sharded parameters. The
records of this file have the same fields, so `load_checkpoint_weight_patches(model, records)` of vLLM takes them, and
its sparse weight transfer takes the same fields. holdfast does not import vLLM.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from holdfast.arguments import checked_call, require_name
from holdfast.artifacts import INT32_MAX
from holdfast.intervene.patch.patch_files import PatchFile, open_patch
from holdfast.intervene.patch.stored_patch import ValuesOf, new_values, old_values
from holdfast.models.stored import StoredModel, StoredParameter, open_stored
from holdfast.tensor_files import StoredTensor


class WeightPatch(NamedTuple):
    """New values of single entries of one stored tensor, with the fields of vLLM's `CheckpointWeightPatch`."""

    name: str
    """Name of the tensor in the checkpoint's files."""
    shape: tuple[int, ...]
    dtype: torch.dtype
    values: Float[Tensor, " entries"]
    indices: Int[Tensor, " entries"]
    """Increasing flat indices into the whole tensor, int32 where they fit."""


@checked_call
def vllm_patches(base: str | Path, patch: str | Path, *, revert: bool = False) -> list[WeightPatch]:
    """Reads a patch as the records by which vLLM applies it to the served base, or takes it off again.

    Args:
        base: the checkpoint that vLLM serves: a folder, a hub id or testbed:NAME. Only the patched entries are read.
        patch: the file of the patch.
        revert: True makes the records that take the patch off a patched model.

    Raises:
        ValueError: the patch is broken, was made from another checkpoint, or holds a value that is not a number, which
            vLLM reads as unchanged.
    """
    require_name(base, "the base", "give a folder, a hub id or testbed:NAME")
    require_name(patch, "the patch", "give the path of its file")
    opened, stored = open_patch(Path(patch)), open_stored(str(base))
    before = old_values(opened, stored)  # also refuses another base
    values_of = before if revert else new_values
    names = {id(tensor): name for name, tensor in stored.checkpoint.tensors.items()}
    return [record for name in opened.parts for record in _records(opened, stored, name, values_of, names)]


def _records(
    patch: PatchFile, stored: StoredModel, name: str, values_of: ValuesOf, names: dict[int, str]
) -> Iterator[WeightPatch]:
    """Yields a record for every stored tensor that the patch of this parameter changes."""
    chunks = list(patch.chunks(name))
    index = torch.cat([chunk.index for chunk in chunks])
    values = torch.cat([values_of(name, chunk) for chunk in chunks])
    if values.isnan().any():
        raise ValueError(
            f"patch {str(patch.path)!r} sets an entry of {name} to a value that is not a number, which vLLM reads as "
            "unchanged; apply the patch with `holdfast patch apply`, and serve the result."
        )
    for begin, tensor in _stored_tensors(stored.parameters[name]):
        inside = (index >= begin) & (index < begin + tensor.num_entries)
        if inside.any():
            place = (index[inside] - begin).to(torch.int32 if tensor.num_entries <= INT32_MAX else torch.int64)
            yield WeightPatch(names[id(tensor)], tensor.shape, tensor.dtype, values[inside], place)


def _stored_tensors(parameter: StoredParameter) -> Iterator[tuple[int, StoredTensor]]:
    """Yields the stored tensors of a parameter with the flat index of their first entry, those of all copies."""
    for parts in parameter.copies:
        yield from parts
