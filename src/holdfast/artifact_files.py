"""The file of an artifact: tensors in safetensors, and in its metadata the kind of artifact and a JSON header.

Every file is written beside its place and renamed at the end, so that no reader finds half of one.
"""

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from holdfast.arguments import MisfitError
from holdfast.distributed import first, wait_for_all
from holdfast.remedy import remedy
from holdfast.tensor_files import create, read_header, replace_metadata
from holdfast.wrong_files import require_kind


def save_tensors(path: Path, tensors: Mapping[str, Tensor], kind: str, header: Mapping[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    on_cpu = {name: tensor.cpu() for name, tensor in tensors.items()}
    try:
        save_file(on_cpu, partial, {"holdfast": kind, "header": json.dumps(header, sort_keys=True)})
    except SafetensorError as error:  # a full disk, or a folder without write access
        partial.unlink(missing_ok=True)
        raise ValueError(f"{kind} file {str(path)!r} could not be written: {error}; choose another place.") from error
    _order_metadata(partial)
    allow_as_umask(partial)
    os.replace(partial, path)


def _order_metadata(path: Path) -> None:
    """Sorts a file's metadata, so that equal values make equal files. safetensors changes the order in every call."""
    replace_metadata(path, read_header(path)[1])


def allow_as_umask(path: Path) -> None:
    """Gives a file the permissions of any new file.

    safetensors writes through a temporary file, which only its owner may read.
    """
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        new = Path(folder) / "new"
        new.touch()
        path.chmod(new.stat().st_mode)


def save_together(
    path: Path,
    tensors: Mapping[str, tuple[torch.dtype, tuple[int, ...]]],
    pieces: Mapping[str, tuple[int, Tensor]],
    kind: str,
    header: Mapping[str, object],
) -> None:
    """Writes one file from several processes. Each writes its own pieces, and a rename completes the file."""
    partial = path.with_name(f"{path.name}.partial")
    metadata = {"holdfast": kind, "header": json.dumps(header, sort_keys=True)}

    def make() -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.unlink(missing_ok=True)  # a run that was killed may have left one
        create(partial, tensors, metadata)

    first(make)
    stored, _ = read_header(partial)
    for name, (start, values) in pieces.items():
        stored[name].write(start, values.cpu())
    wait_for_all()
    first(lambda: os.replace(partial, path))


def load_header(path: Path, kind: str) -> dict:
    require_kind(path, kind)
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{kind} file {str(path)!r} is broken: {error}; {remedy(path, kind)}.") from error
    with explained(path, kind):
        return json.loads(metadata["header"])


def load_tensors(path: Path, kind: str) -> tuple[dict[str, Tensor], dict]:
    header = load_header(path, kind)
    try:
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, header  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{kind} file {str(path)!r} is broken: {error}; {remedy(path, kind)}.") from error


@contextmanager
def explained(path: Path, kind: str) -> Iterator[None]:
    """Raises ValueError, in one sentence, when a file lacks a part or holds a part of the wrong kind."""
    try:
        yield
    except KeyError as error:
        raise ValueError(f"{kind} file {str(path)!r} lacks {error}; {remedy(path, kind)}.") from error
    except (TypeError, AttributeError, MisfitError, json.JSONDecodeError) as error:
        # The words of other errors name functions of Python, which no reader of a file knows.
        said = isinstance(error, MisfitError | json.JSONDecodeError)
        reason = str(error).removesuffix(".") if said else "a part of it has another form"
        raise ValueError(
            f"{kind} file {str(path)!r} is not as holdfast writes it: {reason}; {remedy(path, kind)}."
        ) from error
