"""Patches on disk, read and written one run of entries at a time.

A file has up to three vectors for every parameter NAME:
    NAME:index    sorted flat indices in row-major order, int32 where they fit
    NAME:value    absolute new values in the checkpoint's dtype
    NAME:old      the base's values there, which may be left out (the header keeps their hash as `old_hash`)
An entry costs 6 bytes in half precision, or 8 with its old value. vLLM's sparse weight patches take the same record:
name, shape, dtype, flat indices and values. PEFT's formats can't store it. SHiRA has the same number of entries in
every layer, unlike a global mask, and trainable_tokens has rows of the embedding.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import IO, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from holdfast.artifacts import INT32_MAX, ValuesHash
from holdfast.remedy import remedy
from holdfast.tensor_files import DTYPES, StoredTensor, as_bytes, read_header, runs
from holdfast.values import Meta, entries_in
from holdfast.wrong_files import require_kind

Part = Literal["index", "value", "old"]
Kind = tuple[torch.dtype, Part]
NAMES = {dtype: name for name, dtype in DTYPES.items()}


@dataclass(frozen=True)
class Chunk:
    """Some consecutive entries of one parameter's patch."""

    index: Int[Tensor, " entries"]
    values: Float[Tensor, " entries"]
    old: Float[Tensor, " entries"] | None


@dataclass(frozen=True)
class PatchFile:
    """A patch that stays on disk."""

    path: Path
    base: str
    """Fingerprint of the model that it applies to."""
    made_by: Meta
    old_hash: str | None
    """SHA-256 of the old values. None where a patch without old values was merged into this one."""
    shapes: Mapping[str, tuple[int, ...]]
    parts: Mapping[str, Mapping[Part, StoredTensor]]
    """Position of each vector in the file, in the order of names."""

    @property
    def reversible(self) -> bool:
        """True where the patch has all old values, so that it reverts without the base."""
        return all("old" in parts for parts in self.parts.values())

    def __len__(self) -> int:
        return sum(parts["index"].num_entries for parts in self.parts.values())

    def dtype(self, name: str) -> torch.dtype:
        """Dtype of a parameter's new values."""
        return self.parts[name]["value"].dtype

    def chunks(self, name: str) -> Iterator[Chunk]:
        """Yields a parameter's entries in chunks that need little memory."""
        parts = self.parts[name]
        for start, count in runs(parts["index"].num_entries):
            old = parts["old"].read(start, count) if "old" in parts else None
            yield Chunk(parts["index"].read(start, count).long(), parts["value"].read(start, count), old)


def open_patch(path: Path) -> PatchFile:
    """Reads the header of a patch file and checks that the file is whole.

    Raises:
        ValueError: the file is missing, cut off or no patch, its vectors do not match each other, or an index is out
            of range.
    """
    require_kind(path, "patch")
    tensors, metadata = read_header(path, "patch")
    try:
        header = json.loads(metadata["header"])
        shapes = {name: tuple(shape) for name, shape in header["shapes"].items()}
        parts: dict[str, dict] = {name: {} for name in sorted(shapes)}
        for key, tensor in tensors.items():
            name, _, part = key.rpartition(":")
            parts[name][part] = tensor
        for name in shapes:
            _refuse_broken(path, name, parts[name], entries_in(shapes[name]))
        parts = {name: vectors for name, vectors in parts.items() if vectors["index"].num_entries}
        shapes = {name: shapes[name] for name in parts}
        patch = PatchFile(path, header["base"], header["made_by"], header.get("old_hash"), shapes, parts)
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        what = f"patch file {str(path)!r} is not as holdfast writes it: {error}"
        raise ValueError(f"{what}; {remedy(path, 'patch')}.") from error
    if not len(patch):
        raise ValueError(f"patch file {str(path)!r} changes no entry; {remedy(path, 'patch')}.")
    return patch


class PatchWriter:
    """Context manager that collects a patch in temporary files and joins them into the patch file."""

    def __init__(self, folder: Path, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Begins an empty patch of parameters with these shapes, with temporary files in `folder`."""
        self.folder, self.shapes = folder, shapes
        self.files: dict[Kind, IO[bytes]] = {}
        self.lengths: dict[Kind, dict[str, int]] = {}
        self.old = ValuesHash()
        self.num_entries = 0
        self.open_files = ExitStack()

    def __enter__(self) -> "PatchWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self.open_files.close()

    def add(self, name: str, chunk: Chunk, *, keep_old: bool) -> None:
        """Adds the next entries of a parameter. Parameters must come in the order of their names.

        Args:
            name: the parameter.
            chunk: its next entries. Old values, where known, are always hashed.
            keep_old: True writes the old values to the file too.
        """
        fits = entries_in(self.shapes[name]) <= INT32_MAX
        self._append(name, "index", chunk.index.to(torch.int32 if fits else torch.int64))
        self._append(name, "value", chunk.values)
        self.num_entries += chunk.index.numel()
        if chunk.old is not None:
            self.old.update(name, chunk.old)
            if keep_old:
                self._append(name, "old", chunk.old)

    def save(self, path: Path, base: str, made_by: Meta, *, old_known: bool = True) -> None:
        """Writes the patch file from all entries added."""
        # By falling entry size, so that every vector begins at a multiple of its entry size, as readers expect.
        order = sorted(self.files, key=lambda key: (-key[0].itemsize, key[1], str(key[0])))
        header = {
            "shapes": {name: list(self.shapes[name]) for name in sorted(set().union(*self.lengths.values()))},
            "base": base,
            "made_by": made_by,
            "old_hash": self.old.hexdigest() if old_known else None,
        }
        metadata = {"holdfast": "patch", "header": json.dumps(header, sort_keys=True)}
        text = json.dumps({"__metadata__": metadata} | self._places(order)).encode()
        text += b" " * (-len(text) % 8)
        with path.open("wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            for key in order:
                self.files[key].seek(0)
                copyfileobj(self.files[key], file)

    def _places(self, order: list[Kind]) -> dict[str, object]:
        """Makes the safetensors header of all vectors, for temporary files that follow each other in this order."""
        places, begin = {}, 0
        for dtype, part in order:
            for name, length in self.lengths[dtype, part].items():
                end = begin + length * dtype.itemsize
                places[f"{name}:{part}"] = {"dtype": NAMES[dtype], "shape": [length], "data_offsets": [begin, end]}
                begin = end
        return places

    def _append(self, name: str, part: Part, values: Tensor) -> None:
        key: Kind = (values.dtype, part)
        if key not in self.files:
            self.files[key] = self.open_files.enter_context(TemporaryFile(dir=self.folder))  # noqa: SIM115
            self.lengths[key] = {}
        self.files[key].write(as_bytes(values))
        self.lengths[key][name] = self.lengths[key].get(name, 0) + values.numel()


def _refuse_broken(path: Path, name: str, parts: Mapping[Part, StoredTensor], end: int) -> None:
    """Raises ValueError when a parameter's vectors do not match each other, or its indices are not valid and sorted."""
    lengths = {tensor.shape for tensor in parts.values()}
    dtypes = {parts[part].dtype for part in parts.keys() - {"index"}}
    whole = {"index", "value"} <= parts.keys() <= {"index", "value", "old"} and len(lengths) == len(dtypes) == 1
    if not whole or len(parts["index"].shape) != 1 or parts["index"].dtype not in (torch.int32, torch.int64):
        raise ValueError(f"patch file {str(path)!r} lacks an index or a value of {name}; {remedy(path, 'patch')}.")
    last = -1
    for start, count in runs(parts["index"].num_entries):
        index = parts["index"].read(start, count).long()
        if int(index[0]) <= last or bool((index[1:] <= index[:-1]).any()) or int(index[-1]) >= end:
            raise ValueError(
                f"patch file {str(path)!r} has indices of {name} that are not increasing in [0, {end}); "
                f"{remedy(path, 'patch')}."
            )
        last = int(index[-1])
