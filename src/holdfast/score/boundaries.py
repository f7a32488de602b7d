"""What lies between layers while they are worked on one by one: hidden states and gradients, batch by batch.

In a folder each is a file of its own, written and read as it is: memory holds none, and a pass that was stopped finds
them again. Without a folder they are kept in the host's memory. Either way they have the model's dtype.
"""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from holdfast.artifacts import load_json, save_json


class Boundaries:
    """Tensors by kind, boundary and batch. Boundary n lies before layer n; the last one behind the last layer."""

    def __init__(self, folder: Path | None = None) -> None:
        """Goes on with what the folder holds; whoever names it answers for it being of the same pass."""
        self._folder = folder
        self._kept: dict[str, Tensor] = {}
        if folder:
            folder.mkdir(parents=True, exist_ok=True)

    def put(self, kind: str, boundary: int, batch: int, tensor: Float[Tensor, "..."]) -> None:
        """Keeps a tensor."""
        name, on_host = _name(kind, boundary, batch), tensor.detach().cpu().contiguous()
        if self._folder:
            (self._folder / name).write_bytes(on_host.view(torch.uint8).numpy().data)
        else:
            self._kept[name] = on_host.clone()

    def get(self, kind: str, boundary: int, batch: int, like: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """A copy of what was kept, on the device, in the shape and dtype of another tensor."""
        name = _name(kind, boundary, batch)
        if not self._folder:
            return self._kept[name].to(like.device, copy=True)
        found = torch.empty(like.shape, dtype=like.dtype)
        with (self._folder / name).open("rb", buffering=0) as file:
            size = file.readinto(found.view(torch.uint8).numpy().data)
        assert size == found.nbytes
        return found.to(like.device)

    def drop(self, kind: str, boundary: int, batches: int) -> None:
        """Forgets one kind at one boundary."""
        for batch in range(batches):
            self._kept.pop(_name(kind, boundary, batch), None)
            if self._folder:
                (self._folder / _name(kind, boundary, batch)).unlink(missing_ok=True)

    @property
    def steps_done(self) -> int:
        """Steps of the pass of which everything that later steps need is kept."""
        mark = self._folder / "steps.json" if self._folder else None
        return load_json(mark)["done"] if mark and mark.is_file() else 0

    @steps_done.setter
    def steps_done(self, done: int) -> None:
        if self._folder:
            save_json(self._folder / "steps.json", {"done": done})


def _name(kind: str, boundary: int, batch: int) -> str:
    return f"{kind}_{boundary}_{batch}"
