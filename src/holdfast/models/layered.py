"""Opens a model with one layer at a time in memory. It may exceed the memory of the device, or of the host.

The parts outside the layers (embeddings, the last norm, the head) are loaded as usual. A layer is read from the
checkpoint's files when a caller asks for it, and freed when nothing refers to it any more. Files are read into the
layer's own memory. Nothing is memory-mapped, so nothing else stays resident.
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from holdfast.models.load import LoadedModel, default_device, load_outline
from holdfast.models.locate import TOKENIZER_REMEDY
from holdfast.models.roles import find_layers
from holdfast.models.stored import StoredModel, StoredParameter, open_stored, stored_fingerprint
from holdfast.progress import Progress, silent


@dataclass(frozen=True, eq=False)
class LayeredModel:
    """A model whose layers are read one at a time."""

    loaded: LoadedModel
    """The model. Its own layers need not have values."""
    path: str
    """Path of its list of layers, with a dot at the end: 'model.layers.'."""
    read: Callable[[int], nn.Module]
    """Returns the layer with a given number, with values."""

    @property
    def layers(self) -> list[nn.Module]:
        """The model's own layers, in order."""
        return list(self.loaded.model.get_submodule(self.path.rstrip(".")).children())


def in_memory(loaded: LoadedModel) -> LayeredModel:
    """Wraps a model that is loaded whole. It reads the model's own layers.

    Raises:
        ValueError: the model has no list of layers, or parameters that several layers share.
    """
    path = _path(loaded)
    layered = LayeredModel(loaded, path, lambda number: loaded.model.get_submodule(f"{path}{number}"))
    _refuse_shared(layered)
    return layered


def open_layered(name: str, *, device: str | None = None, progress: Progress = silent) -> LayeredModel:
    """Opens a checkpoint layer by layer. Reads all of its files once, for the fingerprint.

    Args:
        name: a folder, a hub id or testbed:NAME.
        device: device for the values. None takes the first accelerator, else the CPU.
        progress: called after every parameter of the fingerprint.

    Raises:
        ValueError: the checkpoint is missing, broken or quantized, stores a parameter in another order, or holds a
            model without a list of layers.
    """
    place = torch.device(device) if device else default_device()
    outline = load_outline(name, place)
    if outline.tokenizer is None:
        raise ValueError(f"model {name!r} has no tokenizer that can be read; {TOKENIZER_REMEDY}")
    stored = open_stored(name, outline.model.dtype)
    model = stored.model.eval()
    loaded = LoadedModel(model, outline.tokenizer, name, stored_fingerprint(stored, progress), outline.storage_dtype)
    path = _path(loaded)
    layered = LayeredModel(loaded, path, lambda number: _filled(stored, f"{path}{number}", place))
    _refuse_shared(layered)
    outside = {key: value for key, value in model.state_dict(keep_vars=True).items() if not key.startswith(path)}
    model.load_state_dict(_values(stored, outside, place), strict=False, assign=True)
    _place_buffers(model, place)
    return layered


def _path(loaded: LoadedModel) -> str:
    path = find_layers(loaded.model)
    if path is None:
        raise ValueError(
            f"{type(loaded.model).__name__} has no list of layers, so they can't run one at a time; "
            "leave layer-wise out."
        )
    return path


def _refuse_shared(layered: LayeredModel) -> None:
    """Raises ValueError if a parameter belongs to two layers, since neither has its whole gradient."""
    inside = [id(weight) for layer in layered.layers for weight in layer.parameters()]
    if len(set(inside)) < len(inside):
        raise ValueError(
            f"layers of {type(layered.loaded.model).__name__} share parameters, so they can't run one at a time; "
            "leave layer-wise out."
        )


def _filled(stored: StoredModel, path: str, place: torch.device) -> nn.Module:
    """Returns a copy of an empty layer with the values from the files."""
    layer = copy.deepcopy(stored.model.get_submodule(path))
    wanted = {f"{path}.{key}": value for key, value in layer.state_dict(keep_vars=True).items()}
    values = {key.removeprefix(f"{path}."): value for key, value in _values(stored, wanted, place).items()}
    layer.load_state_dict(values, assign=True)
    _place_buffers(layer, place)
    return layer


def _values(stored: StoredModel, wanted: Mapping[str, Tensor], place: torch.device) -> dict[str, Tensor]:
    """Reads the values of these names from the files, in the dtypes of `wanted`. Tied weights stay one parameter."""
    held: dict[str, StoredParameter] = {**stored.parameters, **stored.buffers}
    known: dict[int, Tensor] = {}
    values = {}
    for key, empty in sorted(wanted.items(), key=lambda item: item[0] not in held):  # tied: the stored name first
        if id(empty) not in known:
            value = held[key].read(0, held[key].num_entries).view(held[key].shape).to(place, empty.dtype)
            known[id(empty)] = nn.Parameter(value, value.is_floating_point()) if key in stored.parameters else value
        values[key] = known[id(empty)]
    return values


def _place_buffers(module: nn.Module, place: torch.device) -> None:
    """Moves the buffers that no file holds, such as tables of positions."""
    for key, buffer in list(module.named_buffers()):
        if not buffer.is_meta:
            owner, _, word = key.rpartition(".")
            setattr(module.get_submodule(owner), word, buffer.to(place))
