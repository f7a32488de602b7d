"""Patches and checkpoints on disk: fit checks, differences of two checkpoints, and writing values in place."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from holdfast.artifacts import ValuesHash
from holdfast.intervene.entries import same_bits
from holdfast.intervene.patch.patch_files import Chunk, PatchFile
from holdfast.made_by import model_name
from holdfast.models.stored import StoredModel, StoredParameter
from holdfast.progress import Progress, silent
from holdfast.tensor_files import runs

ValuesOf = Callable[[str, Chunk], Tensor]
"""A function that returns the values to write at a parameter's entries."""


def new_values(name: str, chunk: Chunk) -> Tensor:
    """Returns the patch's new values at these entries."""
    return chunk.values


def old_values(patch: PatchFile, base: StoredModel | None) -> ValuesOf:
    """Returns a function for the values before the patch, from the base where one is given, else from the patch.

    Raises:
        ValueError: neither has them, or the base's values are not those that the patch was made from.
    """
    if base is None:
        if not patch.reversible:
            raise ValueError(
                f"patch {str(patch.path)!r} keeps no old values; give the checkpoint before the patch as the base."
            )
        return lambda name, chunk: _known(chunk.old)
    refuse_misfit(patch, base)
    base_hash = ValuesHash()
    for name in patch.parts:
        for chunk in patch.chunks(name):
            base_hash.update(name, base.parameters[name].take(chunk.index))
    if patch.old_hash is not None and base_hash.hexdigest() != patch.old_hash:
        raise ValueError(
            f"model {base.name!r} is not the base of patch {str(patch.path)!r}: it holds other values at the patch's "
            "entries; give the checkpoint that the patch was made from."
        )
    return lambda name, chunk: base.parameters[name].take(chunk.index)


def write_values(stored: StoredModel, patch: PatchFile, values_of: ValuesOf, progress: Progress = silent) -> None:
    """Writes values at the patch's entries into the files of a checkpoint."""
    for done, name in enumerate(patch.parts, start=1):
        for chunk in patch.chunks(name):
            stored.parameters[name].put(chunk.index, values_of(name, chunk))
        progress("writing entries", done, len(patch.parts))


def refuse_misfit(patch: PatchFile, stored: StoredModel) -> None:
    """Raises ValueError when the checkpoint lacks a parameter of the patch, or has it in another shape or dtype."""
    recorded = model_name(patch.made_by)
    remedy = "give the checkpoint that the patch was made for" + (f", {recorded!r}" if recorded else "")
    for name, shape in patch.shapes.items():
        parameter = stored.parameters.get(name)
        if parameter is None:
            raise ValueError(
                f"patch {str(patch.path)!r} was made for another model: {stored.name!r} has no {name}; {remedy}."
            )
        if (parameter.shape, parameter.dtype) != (shape, patch.dtype(name)):
            raise ValueError(
                f"patch {str(patch.path)!r} has {name} as {patch.dtype(name)} {shape}, and {stored.name!r} stores it "
                f"as {parameter.dtype} {parameter.shape}; {remedy}."
            )


def is_applied(patch: PatchFile, stored: StoredModel) -> bool:
    """True where the checkpoint has the patch's new values bit for bit."""
    return all(
        same_bits(stored.parameters[name].take(chunk.index), chunk.values)
        for name in patch.parts
        for chunk in patch.chunks(name)
    )


def refuse_unlike(base: StoredModel, tuned: StoredModel) -> None:
    """Raises ValueError when two checkpoints differ in anything but the values of their parameters."""
    if lone := sorted(base.parameters.keys() ^ tuned.parameters.keys()):
        holder = base if lone[0] in base.parameters else tuned
        raise ValueError(
            f"only {holder.name!r} has {lone[0]}, so {tuned.name!r} is not a tuned {base.name!r}; a patch needs two "
            "checkpoints of one architecture."
        )
    for name, left in base.parameters.items():
        right = tuned.parameters[name]
        if (left.shape, left.dtype) != (right.shape, right.dtype):
            raise ValueError(
                f"{name} is {left.dtype} {left.shape} in {base.name!r} and {right.dtype} {right.shape} in "
                f"{tuned.name!r}; a patch needs equal shapes and dtypes, save one like the other."
            )
    for name, left in base.buffers.items():
        if any(chunk.index.numel() for chunk in differences(left, tuned.buffers[name])):
            raise ValueError(
                f"{name} differs and is a buffer, which a patch does not carry; ship {tuned.name!r} as a checkpoint."
            )


def differences(left: StoredParameter, right: StoredParameter) -> Iterator[Chunk]:
    """Yields the entries whose bits differ. NaN equals itself, and -0.0 differs from 0.0."""
    for start, count in runs(left.num_entries):
        old, new = left.read(start, count), right.read(start, count)
        bits = torch.stack([values.view(count, 1).view(torch.uint8) for values in (old, new)])
        index = (bits[0] != bits[1]).any(1).nonzero().flatten()
        if index.numel():
            yield Chunk(index + start, new[index], old[index])


def _known(values: Tensor | None) -> Tensor:
    assert values is not None, "a reversible patch has old values everywhere"
    return values
