"""Reads a checkpoint folder: which files hold the weights, and where each stored tensor lies in them."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from holdfast.models.locate import INDEX as INDEX
from holdfast.models.locate import OTHER_FORMATS, SINGLE, local_folder, read_index
from holdfast.progress import Progress, silent
from holdfast.tensor_files import StoredTensor, read_header


@dataclass(frozen=True)
class Checkpoint:
    """The files of a checkpoint on disk."""

    name: str
    """The name that the user gave: a folder, a hub id or testbed:NAME."""
    folder: Path
    shards: tuple[str, ...]
    """The safetensors files that transformers reads, sorted."""
    tensors: dict[str, StoredTensor]
    """Every tensor stored in these files, by its name there."""


def open_checkpoint(name: str) -> Checkpoint:
    """Finds the stored tensors of a checkpoint. Reads the headers of its files only.

    Raises:
        ValueError: the checkpoint is missing or broken, holds no safetensors, or lacks a shard or a tensor that its
            index names.
    """
    folder = local_folder(name)
    listed = _listed(name, folder)
    shards = tuple(sorted(set(listed.values()))) or (SINGLE,)
    tensors: dict[str, StoredTensor] = {}
    for shard in shards:
        if not (folder / shard).is_file():
            raise ValueError(f"model {name!r} lacks the shard {shard!r} that its index names; download it again.")
        tensors |= read_header(folder / shard)[0]
    for tensor, shard in listed.items():
        if tensor not in tensors or tensors[tensor].path.name != shard:
            raise ValueError(
                f"the index of model {name!r} names {tensor!r} in {shard!r}, which does not hold it; "
                "download or save the model again."
            )
    return Checkpoint(name, folder, shards, tensors)


def copy_checkpoint(checkpoint: Checkpoint, out: Path, progress: Progress = silent) -> None:
    """Copies a checkpoint's files byte for byte.

    These are its shards, config, tokenizer and all other files, except weights that do not belong to it.
    """
    files = [file for file in sorted(checkpoint.folder.rglob("*")) if file.is_file() and _belongs(checkpoint, file)]
    out.mkdir(parents=True)
    for done, file in enumerate(files, start=1):
        target = out / file.relative_to(checkpoint.folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
        progress("copying files", done, len(files))


def _listed(name: str, folder: Path) -> dict[str, str]:
    """Returns the file of every tensor, by the checkpoint's index. Empty if one file holds all tensors."""
    if (folder / SINGLE).is_file():  # transformers looks for it first, too
        return {}
    if not (folder / INDEX).is_file():
        raise ValueError(f"model {name!r} has neither {SINGLE} nor {INDEX}; save it again with `save_pretrained`.")
    return read_index(name, folder / INDEX)


def _belongs(checkpoint: Checkpoint, file: Path) -> bool:
    """Returns True if the file is copied. Other weights would be stale in an edited checkpoint, or are pickles."""
    inside = file.relative_to(checkpoint.folder)
    if file.suffix == ".safetensors":
        return str(inside) in checkpoint.shards
    return file.suffix not in OTHER_FORMATS and not any(part.startswith(".") for part in inside.parts)
