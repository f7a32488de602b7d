"""A model's parameters as they lie in its files, so that a model is read, compared and edited without being loaded.

A parameter is what `load_model` gives by that name. On disk it may have another name, be several tensors (the experts
of a layer, fused when loaded), or be there twice (tied weights). How transformers would save it says which it is: the
saving of an empty model, on the meta device, gives every stored tensor as a view of its parameter, and the view's
offset says where in the parameter its entries lie. A parameter whose stored tensors do not lie in it one after another
(transposed or interleaved on loading) is refused.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Int, Shaped
from torch import Tensor
from torch.overrides import TorchFunctionMode
from transformers import PreTrainedModel
from transformers.core_model_loading import revert_weight_conversion

from holdfast.artifacts import load_json
from holdfast.models.checkpoints import Checkpoint, open_checkpoint
from holdfast.models.load import load_empty, untie_config
from holdfast.models.storage import any_prefix
from holdfast.progress import Progress, silent
from holdfast.tensor_files import RUN, StoredTensor, as_bytes, runs
from holdfast.values import entries_in

Parts = list[tuple[int, StoredTensor]]
"""What one parameter is stored as: each tensor with the flat index of its first entry, in that order."""


@dataclass(frozen=True, eq=False)
class StoredParameter:
    """A parameter's entries on disk, by flat indices in its loaded shape."""

    name: str
    shape: tuple[int, ...]
    copies: tuple[Parts, ...]
    """One, or as many as tied weights are stored under names of their own; all hold the same."""

    @property
    def dtype(self) -> torch.dtype:
        """Dtype on disk."""
        return self.copies[0][0][1].dtype

    @property
    def num_entries(self) -> int:
        """Entries of the parameter."""
        return entries_in(self.shape)

    def read(self, start: int, count: int) -> Shaped[Tensor, " entries"]:
        """A copy of consecutive entries."""
        return _read(self.copies[0], start, count)

    def take(self, index: Int[Tensor, " selected"]) -> Shaped[Tensor, " selected"]:
        """A copy of the entries at sorted flat indices."""
        taken = torch.empty(index.shape, dtype=self.dtype)
        for start, count, chosen in self._touched(index):
            taken[chosen] = self.read(start, count)[index[chosen] - start]
        return taken

    def put(self, index: Int[Tensor, " selected"], values: Shaped[Tensor, " selected"]) -> None:
        """Replaces the entries at sorted flat indices, in every copy."""
        for start, count, chosen in self._touched(index):
            run = self.read(start, count)
            run[index[chosen] - start] = values[chosen]
            for parts in self.copies:
                for tensor, first, piece in _pieces(parts, start, count):
                    tensor.write(first, run[piece])

    def _touched(self, index: Tensor) -> Iterator[tuple[int, int, slice]]:
        """Runs with an entry of the index: start and length, and which places of the index lie in it."""
        numbers, counts = torch.unique_consecutive(index // RUN, return_counts=True)
        ends = counts.cumsum(0)
        for number, count, end in zip(numbers.tolist(), counts.tolist(), ends.tolist(), strict=True):
            yield number * RUN, min(RUN, self.num_entries - number * RUN), slice(end - count, end)


@dataclass(frozen=True, eq=False)
class StoredModel:
    """A checkpoint by its parameters."""

    checkpoint: Checkpoint
    model: PreTrainedModel
    """What it is loaded as, without the values that are in the files."""
    parameters: Mapping[str, StoredParameter]
    """In the order of their names; a tied one once, under the name that it has when loaded."""
    buffers: Mapping[str, StoredParameter]
    """What is loaded with the parameters and is none: statistics, expert biases."""

    @property
    def name(self) -> str:
        """As it was asked for."""
        return self.checkpoint.name


def open_stored(name: str, dtype: torch.dtype | None = None) -> StoredModel:
    """Finds a checkpoint's parameters in its files; reads headers only.

    Args:
        name: a folder, a hub id or testbed:NAME.
        dtype: of the model without values; the one that its config names when None.

    Raises:
        ValueError: the checkpoint is missing, broken or quantized, does not fit its config, or stores a parameter in an
            order of its own.
    """
    checkpoint = open_checkpoint(name)
    if "quantization_config" in load_json(checkpoint.folder / "config.json", "checkpoint"):
        raise ValueError(f"model {name!r} is quantized, and a patch is for weights as they were trained; give those.")
    described = {key: (stored.dtype, stored.shape) for key, stored in checkpoint.tensors.items()}
    model = load_empty(str(checkpoint.folder), described, dtype)
    whole = {key: torch.empty(value.shape, device="meta") for key, value in model.state_dict(keep_vars=True).items()}
    parts = _find_parts(model, whole, checkpoint)
    _tie_equal(model, parts)
    untie_config(model)
    names: dict[int, list[str]] = {}
    for key, value in model.state_dict(keep_vars=True).items():
        names.setdefault(id(value), []).append(key)
    found = {
        group[0]: StoredParameter(group[0], tuple(whole[group[0]].shape), _copies(name, group, parts))
        for group in names.values()
    }
    parameters = dict(model.named_parameters())
    return StoredModel(
        checkpoint,
        model,
        {key: found[key] for key in sorted(parameters)},
        {key: found[key] for key in sorted(found) if key not in parameters},
    )


def stored_fingerprint(stored: StoredModel, progress: Progress = silent) -> str:
    """What `fingerprint` says of the model once it is loaded in float32: SHA-256 over names, shapes, float32 bits."""
    digest = hashlib.sha256()
    for done, (name, parameter) in enumerate(stored.parameters.items(), start=1):
        digest.update(f"{name}{parameter.shape}".encode())
        for start, count in runs(parameter.num_entries):
            digest.update(as_bytes(parameter.read(start, count).to(torch.float32)))
        progress(f"fingerprint of {stored.name}", done, len(stored.parameters))
    return digest.hexdigest()


class _WithoutCopies(TorchFunctionMode):
    """Tensors are not copied to lie in order, so that a view stays one and keeps its place."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func in (torch.Tensor.contiguous, torch.Tensor.clone):
            return args[0]
        return func(*args, **(kwargs or {}))


def _find_parts(model: PreTrainedModel, whole: Mapping[str, Tensor], checkpoint: Checkpoint) -> dict[str, Parts]:
    """The stored tensors of every name, where the checkpoint has them all and each is a piece of it in one run."""
    owner = {tensor.untyped_storage()._cdata: name for name, tensor in whole.items()}
    with _WithoutCopies():
        views = revert_weight_conversion(model, dict(whole))
    found: dict[str, Parts] = {name: [] for name in whole}
    for saved_name, view in views.items():
        name = owner.get(view.untyped_storage()._cdata)
        stored = checkpoint.tensors.get(any_prefix(model, saved_name, checkpoint.tensors) or "")
        if name and stored and stored.shape == tuple(view.shape) and view.is_contiguous():
            found[name].append((int(view.storage_offset()), stored))
    return {name: sorted(parts, key=lambda part: part[0]) for name, parts in found.items() if _fill(parts, whole[name])}


def _fill(parts: Parts, whole: Tensor) -> bool:
    """Whether the parts are of one dtype, and are the whole."""
    same = len({stored.dtype for _, stored in parts}) == 1
    return same and sum(stored.num_entries for _, stored in parts) == whole.numel()


def _tie_equal(model: PreTrainedModel, parts: Mapping[str, Parts]) -> None:
    """Ties what the config says is tied and the files hold twice, if it is equal there: as loading does with values."""
    for target, source in model.all_tied_weights_keys.items():
        weight = model.get_parameter(source)
        if model.get_parameter(target) is weight or not {target, source} <= parts.keys():
            continue
        if all(
            torch.equal(_read(parts[target], start, count), _read(parts[source], start, count))
            for start, count in runs(weight.numel())
        ):
            module, _, attribute = target.rpartition(".")
            setattr(model.get_submodule(module), attribute, weight)


def _copies(name: str, group: list[str], parts: Mapping[str, Parts]) -> tuple[Parts, ...]:
    copies = tuple(parts[key] for key in group if key in parts)
    if not copies:
        raise ValueError(
            f"model {name!r} stores {group[0]} in an order, under names or in dtypes of its own, which can't be edited "
            "in place; load it and save it again with `save_pretrained`, or apply the patch to the loaded model."
        )
    return copies


def _read(parts: Parts, start: int, count: int) -> Tensor:
    read = [tensor.read(first, piece.stop - piece.start) for tensor, first, piece in _pieces(parts, start, count)]
    return read[0] if len(read) == 1 else torch.cat(read)


def _pieces(parts: Parts, start: int, count: int) -> Iterator[tuple[StoredTensor, int, slice]]:
    """What a run consists of: the tensor, its first entry that is in the run, and which places of the run it fills."""
    number = bisect_right(parts, start, key=lambda part: part[0]) - 1
    place = start
    while place < start + count:
        begun, tensor = parts[number]
        end = min(start + count, begun + tensor.num_entries)
        yield tensor, place - begun, slice(place - start, end - start)
        place, number = end, number + 1
