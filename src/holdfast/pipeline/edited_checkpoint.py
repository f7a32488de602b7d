"""Writes what an edit changes in a checkpoint: a patch that reverts, and the patched checkpoint.

The folder:
    patch.safetensors    the new values and the old ones
    model/               the checkpoint with the patch applied
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from holdfast.intervene.patch.patch_files import Chunk, PatchWriter
from holdfast.made_by import Meta, model_entry
from holdfast.models.stored import StoredModel, open_stored, stored_fingerprint
from holdfast.pipeline.patching import apply_to_folder
from holdfast.progress import Progress

PATCH = "patch.safetensors"
MODEL = "model"
Changes = Callable[[], Iterator[tuple[str, Chunk]]]
"""Yields the changed entries of every parameter, in the order of names, each time that it is called."""


def write_edit(
    partial: Path, out: Path, stored: StoredModel, base: str, changes: Changes, made_by: Meta, progress: Progress
) -> None:
    """Writes the folder at a temporary path.

    Args:
        partial: the temporary path, which is made.
        out: the name that the folder gets later, for the provenance.
        stored: the checkpoint to edit.
        base: its fingerprint.
        changes: the changed entries, with their old values.
        made_by: provenance of the patch, without the entry of the patched checkpoint.
        progress: called as weights are read and written.
    """
    partial.mkdir()
    _write_patch(partial / PATCH, stored, base, changes, made_by)
    apply_to_folder(stored.name, partial / PATCH, partial / MODEL, progress)
    tuned = stored_fingerprint(open_stored(str(partial / MODEL)), progress)
    known = {**made_by, "tuned": model_entry(str(out / MODEL), tuned)}
    _write_patch(partial / PATCH, stored, base, changes, known)


def _write_patch(path: Path, stored: StoredModel, base: str, changes: Changes, made_by: Meta) -> None:
    path.unlink(missing_ok=True)
    shapes = {name: parameter.shape for name, parameter in stored.parameters.items()}
    with PatchWriter(path.parent, shapes) as writer:
        for name, chunk in changes():
            writer.add(name, chunk, keep_old=True)
        writer.save(path, base, made_by)
