"""Makes patch files from two checkpoints, applies, reverts, merges and inspects them. It loads no model."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from holdfast.artifacts import refuse_other_base
from holdfast.counts import agreeing
from holdfast.errors import InvariantError
from holdfast.intervene.options import Prefer
from holdfast.intervene.patch.merge import merge_chunks
from holdfast.intervene.patch.patch_files import Chunk, PatchFile, PatchWriter, open_patch
from holdfast.intervene.patch.stored_patch import (
    differences,
    is_applied,
    new_values,
    old_values,
    refuse_misfit,
    refuse_unlike,
    write_values,
)
from holdfast.made_by import base_of, model_entry, named_apart, tuned_entry, version
from holdfast.models.beside_weights import differing_files
from holdfast.models.by_layer import ByLayer, count_by_layer
from holdfast.models.checkpoints import copy_checkpoint, open_checkpoint
from holdfast.models.stored import StoredModel, open_stored, stored_fingerprint
from holdfast.pipeline.outputs import written_whole
from holdfast.progress import Progress, silent
from holdfast.shares import share_words
from holdfast.values import Meta

LISTED = 5
"""Most parameters that a sentence names."""


@dataclass(frozen=True)
class Change:
    """Change of one entry in a patch."""

    name: str
    index: int
    old: float
    new: float


def apply_to_folder(base: str, patch: Path, out: Path, progress: Progress = silent) -> PatchFile:
    """Writes the complete patched checkpoint to a new folder.

    Raises:
        ValueError: the patch is broken or of another base, the checkpoint is broken, or `out` exists.
        InvariantError: the patched checkpoint is not the one that the patch's file names.
    """
    with written_whole(out) as partial:
        opened, stored = open_patch(patch), open_stored(base)
        refuse_misfit(opened, stored)
        if is_applied(opened, stored):
            raise ValueError(
                f"patch {str(patch)!r} is already applied to {base!r}; `holdfast patch revert` takes it off."
            )
        refuse_other_base(f"patch {str(patch)!r}", opened, stored_fingerprint(stored, progress), base)
        copy_checkpoint(stored.checkpoint, partial, progress)
        patched = open_stored(str(partial))
        write_values(patched, opened, new_values, progress)
        _require_tuned(opened, patched, progress)
    return opened


def revert_to_folder(
    tuned: str, patch: Path, out: Path, *, base: str | None = None, progress: Progress = silent
) -> PatchFile:
    """Writes the checkpoint without the patch to a new folder.

    Args:
        tuned: the patched checkpoint.
        patch: path of the applied patch.
        out: the new folder.
        base: checkpoint that provides the old values, for a patch without them.
        progress: called after each step.

    Raises:
        ValueError: the patch is broken, of another base or not applied, the checkpoint is broken, `out` exists, or old
            values are missing or wrong.
        InvariantError: the checkpoint differs from the base outside the patch.
    """
    with written_whole(out) as partial:
        opened, stored = open_patch(patch), open_stored(tuned)
        refuse_misfit(opened, stored)
        if not is_applied(opened, stored):
            raise ValueError(
                f"patch {str(patch)!r} is not applied to {tuned!r}, which holds other values at its entries; give the "
                "checkpoint that `holdfast patch apply` or `holdfast enhance` wrote."
            )
        start = open_stored(base) if base else None
        before = old_values(opened, start)
        copy_checkpoint(stored.checkpoint, partial, progress)
        reverted = open_stored(str(partial))
        write_values(reverted, opened, before, progress)
        if stored_fingerprint(reverted, progress) != opened.base:
            raise InvariantError(
                f"{tuned!r} without patch {str(patch)!r} is not the patch's base: it was changed outside the patch, "
                f"{_where_changed(reverted, start)}; give the checkpoint that `holdfast patch apply` or `holdfast "
                "enhance` wrote, as they wrote it."
            )
    return opened


def _require_tuned(patch: PatchFile, patched: StoredModel, progress: Progress) -> None:
    """Raises InvariantError when the patched checkpoint has another fingerprint than the patch records."""
    known = tuned_entry(patch.made_by).get("fingerprint")
    if known and (actual := stored_fingerprint(patched, progress)) != known:
        raise InvariantError(
            f"the patched checkpoint has fingerprint {actual[:12]}, and patch {str(patch.path)!r} leads to "
            f"{known[:12]}: the patch was changed after it was made; make it again."
        )


def _where_changed(reverted: StoredModel, base: StoredModel | None) -> str:
    """Names the first entry that differs from the base, if the base is given."""
    if base is None:
        return "the place is unknown (give its base as --base to find it)"
    for name, parameter in base.parameters.items():
        for chunk in differences(parameter, reverted.parameters[name]):
            return f"the first is entry {int(chunk.index[0])} of {name}"
    return f"or {base.name!r} is not the patch's base"


def diff_to_file(base: str, tuned: str, out: Path, *, keep_old: bool = True, progress: Progress = silent) -> PatchFile:
    """Writes the patch that turns one checkpoint into the other.

    Raises:
        ValueError: the checkpoints are identical, differ in more than values, or are broken, or `out` exists.
    """
    with written_whole(out) as partial:
        left, right = open_stored(base), open_stored(tuned)
        refuse_unlike(left, right)
        shapes = {name: parameter.shape for name, parameter in left.parameters.items()}
        with PatchWriter(partial.parent, shapes) as writer:
            for done, (name, parameter) in enumerate(left.parameters.items(), start=1):
                for chunk in differences(parameter, right.parameters[name]):
                    writer.add(name, chunk, keep_old=keep_old)
                progress("comparing parameters", done, len(shapes))
            if not writer.num_entries:
                raise ValueError(f"{base!r} and {tuned!r} are identical, so there is no patch between them.")
            before, after = (stored_fingerprint(stored, progress) for stored in (left, right))
            ends = {"model": model_entry(base, before), "tuned": model_entry(tuned, after)}
            writer.save(partial, before, {"method": "diff", **ends, **version()})
    return open_patch(out)


def what_a_patch_lacks(base: str, tuned: str, patch: PatchFile) -> tuple[list[str], list[str]]:
    """Finds reasons to keep the tuned checkpoint although there is a patch.

    Returns:
        The files beside the weights in which the checkpoints differ, and a sentence for each reason.
    """
    before, after = open_checkpoint(base), open_checkpoint(tuned)
    files, sentences = differing_files(before.folder, after.folder), []
    if files:
        sentences.append(
            f"{base!r} and {tuned!r} also differ in {', '.join(files)}, and a patch carries weights alone: keep "
            f"{agreeing(len(files), 'this file', 'these files')} of {tuned!r} beside it."
        )
    size = patch.path.stat().st_size
    whole = sum((after.folder / shard).stat().st_size for shard in after.shards)
    if size >= whole:
        sentences.append(
            f"the patch ({size:,} bytes) is larger than the weights of {tuned!r} themselves ({whole:,} bytes, "
            f"{', '.join(after.shards[:LISTED])}): keep that checkpoint in its place."
        )
    return files, sentences


def merge_to_file(
    patches: Sequence[Path], out: Path, *, prefer: Prefer | None = None, progress: Progress = silent
) -> tuple[PatchFile, dict[str, int]]:
    """Writes one patch with the entries of several, and returns it with the number of conflicts of each parameter.

    Raises:
        ValueError: there are fewer than two patches, they are broken or of different bases, or they conflict and no
            preference is given.
    """
    with written_whole(out) as partial:
        opened = [open_patch(path) for path in patches]
        shapes = _joined_shapes(opened)
        keep_old = all(patch.reversible for patch in opened)
        conflicts: Counter[str] = Counter()
        with PatchWriter(partial.parent, shapes) as writer:
            for done, name in enumerate(shapes, start=1):
                chunk, conflicts[name] = merge_chunks(
                    [_whole(patch, name) for patch in opened if name in patch.parts], prefer or "first"
                )
                writer.add(name, chunk, keep_old=keep_old)
                progress("joining parameters", done, len(shapes))
            conflicts = +conflicts  # those above 0
            if conflicts and prefer is None:
                raise ValueError(_conflict_sentence(conflicts))
            of = [dict(patch.made_by) for patch in opened]
            made_by: Meta = {"method": "merge", "prefer": prefer, **version(), "of": of}
            writer.save(partial, opened[0].base, made_by, old_known=keep_old)
    return open_patch(out), dict(conflicts)


def changes_by_layer(patch: PatchFile) -> ByLayer:
    """Counts changed entries by layer and component among the parameters that the patch changes, with their mean
    change.

    The mean needs old values, and leaves out changes that are not finite.
    """
    counts = {name: parts["index"].num_entries for name, parts in patch.parts.items()}
    if not patch.reversible:
        return count_by_layer(patch.shapes, counts, called="changed")
    moved = {name: _distance(patch, name) for name in patch.parts}
    return count_by_layer(patch.shapes, counts, moved, called="changed", mean="change")


def patch_title(changes: ByLayer) -> str:
    """Returns '3,200 entries in the patch: 1.01% of the 318,400 in the tensors changed'."""
    whole = changes.whole
    share = share_words(whole.chosen, whole.entries)
    return f"{whole.chosen:,} entries in the patch: {share} of the {whole.entries:,} in the tensors changed"


def _distance(patch: PatchFile, name: str) -> float:
    """Returns the sum of the absolute changes of a parameter's entries."""
    changes = (chunk.values.double() - chunk.old.double() for chunk in patch.chunks(name) if chunk.old is not None)
    return sum(float(change.abs().nan_to_num(nan=0.0, posinf=0.0).sum()) for change in changes)


def largest_change(patch: PatchFile) -> Change | None:
    """Returns the entry with the largest change that is finite before and after. None without old values."""
    largest, change = -1.0, None
    for name in patch.parts:
        for chunk in patch.chunks(name):
            if chunk.old is None:
                return None
            moved = (chunk.values.double() - chunk.old.double()).abs().nan_to_num(nan=-1.0, posinf=-1.0)
            place = int(moved.argmax())
            if float(moved[place]) > largest:
                largest = float(moved[place])
                change = Change(name, int(chunk.index[place]), float(chunk.old[place]), float(chunk.values[place]))
    return change


def _joined_shapes(patches: Sequence[PatchFile]) -> dict[str, tuple[int, ...]]:
    """Returns the shapes of all patches' parameters. Raises ValueError when the patches do not belong together."""
    if len(patches) < 2:
        raise ValueError(f"merging needs two or more patches, got {len(patches)}; give more.")
    reference, kinds = patches[0], {}
    for patch in patches:
        if patch.base != reference.base:
            raise ValueError(
                f"patches {str(reference.path)!r} and {str(patch.path)!r} have different bases, "
                f"{' and '.join(named_apart(base_of(reference), base_of(patch)))}; merge patches of one base."
            )
        for name, shape in patch.shapes.items():
            if kinds.setdefault(name, (shape, patch.dtype(name))) != (shape, patch.dtype(name)):
                raise ValueError(
                    f"the patches have {name} in different shapes or dtypes; make them from one checkpoint."
                )
    return {name: kinds[name][0] for name in sorted(kinds)}


def _whole(patch: PatchFile, name: str) -> Chunk:
    chunks = list(patch.chunks(name))
    olds = [chunk.old for chunk in chunks if chunk.old is not None]
    index, values = (
        torch.cat(vectors) for vectors in zip(*((chunk.index, chunk.values) for chunk in chunks), strict=True)
    )
    return Chunk(index, values, torch.cat(olds) if olds else None)


def _conflict_sentence(conflicts: Mapping[str, int]) -> str:
    named = sorted(conflicts, key=lambda name: -conflicts[name])
    listed = ", ".join(f"{name} ({conflicts[name]})" for name in named[:LISTED])
    more = f" and {len(named) - LISTED} more parameters" if len(named) > LISTED else ""
    return (
        f"the patches set {sum(conflicts.values())} entries to different values, in {listed}{more}; "
        "choose between them with --prefer first or --prefer last."
    )
