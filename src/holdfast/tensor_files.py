"""Tensors in safetensors files, read and written in place, one run of entries at a time and never the whole file.

Editing bytes in place leaves the rest of the file unchanged. A reverted edit therefore gives the same SHA-256, whatever
program wrote the file.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Shaped
from safetensors import safe_open
from torch import Tensor

from holdfast.tensor_headers import TensorRecord, read_tensor_header
from holdfast.values import entries_in

RUN = 2**18
"""Entries in memory at a time: few compared with any shard, and enough for a disk to read at full speed."""
DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


@dataclass(frozen=True)
class StoredTensor:
    """A tensor in a file, known by the position of its bytes."""

    path: Path
    dtype: torch.dtype
    shape: tuple[int, ...]
    position: int
    """Bytes of the file before the first entry."""

    @property
    def num_entries(self) -> int:
        """Number of entries of the tensor."""
        return entries_in(self.shape)

    def read(self, start: int, count: int) -> Shaped[Tensor, " entries"]:
        """Reads a copy of consecutive entries in row-major order."""
        if not count:
            return torch.empty(0, dtype=self.dtype)
        size = self.dtype.itemsize
        raw = np.fromfile(self.path, np.uint8, count=count * size, offset=self.position + start * size)
        return torch.from_numpy(raw).view(self.dtype)

    def write(self, start: int, values: Shaped[Tensor, " entries"]) -> None:
        """Replaces consecutive entries in the file."""
        with self.path.open("r+b") as file:
            file.seek(self.position + start * self.dtype.itemsize)
            file.write(as_bytes(values))


def read_header(path: Path, kind: str = "checkpoint") -> tuple[dict[str, StoredTensor], dict[str, str]]:
    """Reads the header of a safetensors file: every tensor by name, and the file's metadata.

    Args:
        path: the file.
        kind: what the file should be, as in `remedy`, for the advice in an error.

    Raises:
        ValueError: the file is missing, cut off, no safetensors file, or holds a dtype that torch cannot edit.
    """
    header = read_tensor_header(path, kind)
    tensors = {name: _stored(path, name, header.first, record) for name, record in header.records.items()}
    return tensors, header.metadata


def read_kinds(path: Path) -> dict[str, tuple[str, int]]:
    """Reads the dtype's code and the number of entries of every tensor in a safetensors file, whatever the dtype."""
    with safe_open(path, "pt") as file:
        kinds = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
        return {name: (kind.get_dtype(), entries_in(kind.get_shape())) for name, kind in kinds.items()}


def create(
    path: Path, tensors: Mapping[str, tuple[torch.dtype, tuple[int, ...]]], metadata: Mapping[str, str]
) -> dict[str, StoredTensor]:
    """Creates a safetensors file with tensors of these dtypes and shapes, whose entries are zero until written.

    Args:
        path: a path where there is no file yet.
        tensors: dtype and shape by name. The file holds them by falling size of an entry, which aligns them, then by
            name.
        metadata: texts by name.

    Raises:
        OSError: the file exists already, or can't be written there.
    """
    codes = {dtype: code for code, dtype in DTYPES.items()}
    ordered = sorted(tensors, key=lambda name: (-tensors[name][0].itemsize, name))
    header: dict[str, object] = {"__metadata__": dict(sorted(metadata.items()))}
    position, places = 0, {}
    for name in ordered:
        dtype, shape = tensors[name]
        end = position + entries_in(shape) * dtype.itemsize
        header[name] = {"dtype": codes[dtype], "shape": list(shape), "data_offsets": [position, end]}
        places[name], position = position, end
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text = text.ljust(-(-len(text) // 8) * 8)
    with path.open("xb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + position)
    return {name: StoredTensor(path, *tensors[name], 8 + len(text) + places[name]) for name in ordered}


def replace_metadata(path: Path, metadata: Mapping[str, str]) -> None:
    """Replaces the metadata of a safetensors file by texts that need no more bytes. The tensors stay unchanged."""
    with path.open("r+b") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        header["__metadata__"] = dict(sorted(metadata.items()))
        text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
        assert len(text) <= length
        file.seek(8)
        file.write(text.ljust(length))


def runs(count: int) -> Iterator[tuple[int, int]]:
    """Yields start and length of every run, for reading `count` entries a run at a time."""
    for start in range(0, count, RUN):
        yield start, min(RUN, count - start)


def as_bytes(values: Shaped[Tensor, " entries"]) -> memoryview:
    """Returns the bytes of a vector as a file holds them."""
    return values.contiguous().view(torch.uint8).numpy().data


def _stored(path: Path, name: str, first: int, record: TensorRecord) -> StoredTensor:
    if record["dtype"] not in DTYPES:
        raise ValueError(
            f"{str(path)!r} holds {name!r} as {record['dtype']}, which holdfast can't edit; use a checkpoint in "
            "float32 or half precision."
        )
    return StoredTensor(path, DTYPES[record["dtype"]], tuple(record["shape"]), first + record["data_offsets"][0])
