"""Headers of safetensors files: names, shapes and metadata, read without tensors and without torch."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from safetensors import SafetensorError, safe_open

from holdfast.remedy import remedy


class TensorRecord(TypedDict):
    """Type, shape and place of a tensor in its file."""

    dtype: str
    shape: list[int]
    data_offsets: list[int]


@dataclass(frozen=True)
class TensorHeader:
    """The header of a safetensors file."""

    records: dict[str, TensorRecord]
    """Records of the tensors by name."""
    metadata: dict[str, str]
    first: int
    """Bytes of the file before the first tensor. `data_offsets` count from there."""


def read_tensor_header(path: Path, kind: str = "checkpoint") -> TensorHeader:
    """Reads a header and checks that the file is whole.

    Args:
        path: the file.
        kind: what the file should be, as in `remedy`, for the advice in an error.

    Raises:
        ValueError: the file is missing, cut off, or no safetensors file.
    """
    try:
        with safe_open(path, "numpy"):  # checks sizes and positions, and reads no tensor
            pass
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{str(path)!r} is no whole safetensors file: {error}; {remedy(path, kind)}.") from error
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        records = json.loads(file.read(length))
    metadata = records.pop("__metadata__", {})
    return TensorHeader(records, metadata, 8 + length)
