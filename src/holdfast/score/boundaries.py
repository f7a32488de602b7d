"""Stores hidden states and gradients between layers, batch by batch, while layers are scored one at a time.

With a folder, each tensor is a file of its own in raw bytes. Memory holds none of them, and an interrupted pass finds
them again. Without a folder, they stay in host memory. Both keep the model's dtype.
"""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from holdfast.artifacts import load_json, save_json


class Boundaries:
    """Tensors by kind, boundary and batch. Boundary n lies before layer n, the last boundary behind the last layer."""

    def __init__(self, folder: Path | None = None) -> None:
        """Resumes from the contents of the folder. The caller makes sure that they belong to the same pass."""
        self._folder = folder
        self._kept: dict[str, Tensor] = {}
        if folder:
            folder.mkdir(parents=True, exist_ok=True)

    def put(self, kind: str, boundary: int, batch: int, tensor: Float[Tensor, "..."]) -> None:
        """Stores a tensor."""
        name, on_host = _name(kind, boundary, batch), tensor.detach().cpu().contiguous()
        if self._folder:
            (self._folder / name).write_bytes(on_host.view(torch.uint8).numpy().data)
        else:
            self._kept[name] = on_host.clone()

    def get(self, kind: str, boundary: int, batch: int, like: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Returns a copy of a stored tensor, on the device and in the shape and dtype of `like`."""
        name = _name(kind, boundary, batch)
        if not self._folder:
            return self._kept[name].to(like.device, copy=True)
        tensor = torch.empty(like.shape, dtype=like.dtype)
        with (self._folder / name).open("rb", buffering=0) as file:
            size = file.readinto(tensor.view(torch.uint8).numpy().data)
        assert size == tensor.nbytes
        return tensor.to(like.device)

    def drop(self, kind: str, boundary: int, batches: int) -> None:
        """Deletes the tensors of one kind at one boundary."""
        for batch in range(batches):
            self._kept.pop(_name(kind, boundary, batch), None)
            if self._folder:
                (self._folder / _name(kind, boundary, batch)).unlink(missing_ok=True)

    @property
    def steps_done(self) -> int:
        """Number of finished steps of the pass, whose results the later steps can read."""
        mark = self._folder / "steps.json" if self._folder else None
        return load_json(mark)["done"] if mark and mark.is_file() else 0

    @steps_done.setter
    def steps_done(self, done: int) -> None:
        if self._folder:
            save_json(self._folder / "steps.json", {"done": done})


def _name(kind: str, boundary: int, batch: int) -> str:
    return f"{kind}_{boundary}_{batch}"
