"""Reads and writes a model's parameters in its files, so that a model is compared and edited without being loaded.

A parameter has the name and shape that `load_model` gives it. On disk it may have another name, be several tensors (the
experts of a layer, fused when loaded), or be there twice (tied weights). The code by which transformers saves a model
tells which. It runs on an empty model, on the meta device, and makes every stored tensor a view of its parameter. The
view's offset gives the place of its entries in the parameter. A parameter is refused if its stored tensors do not lie
in it one after another (transposed or interleaved on loading).
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
"""The stored tensors of one parameter, each with the flat index of its first entry, in that order."""


@dataclass(frozen=True, eq=False)
class StoredParameter:
    """A parameter's entries on disk, addressed by flat indices in its loaded shape."""

    name: str
    shape: tuple[int, ...]
    copies: tuple[Parts, ...]
    """The parameter's stored tensors, once for every name under which tied weights are stored. All copies hold the
    same."""

    @property
    def dtype(self) -> torch.dtype:
        """Dtype on disk."""
        return self.copies[0][0][1].dtype

    @property
    def num_entries(self) -> int:
        """Number of entries of the parameter."""
        return entries_in(self.shape)

    def read(self, start: int, count: int) -> Shaped[Tensor, " entries"]:
        """Returns a copy of consecutive entries."""
        return _read(self.copies[0], start, count)

    def take(self, index: Int[Tensor, " selected"]) -> Shaped[Tensor, " selected"]:
        """Returns a copy of the entries at sorted flat indices."""
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
                for tensor, offset, piece in _pieces(parts, start, count):
                    tensor.write(offset, run[piece])

    def _touched(self, index: Tensor) -> Iterator[tuple[int, int, slice]]:
        """Yields every run of entries that the index touches: start, length, and the slice of the index in it."""
        numbers, counts = torch.unique_consecutive(index // RUN, return_counts=True)
        ends = counts.cumsum(0)
        for number, count, end in zip(numbers.tolist(), counts.tolist(), ends.tolist(), strict=True):
            yield number * RUN, min(RUN, self.num_entries - number * RUN), slice(end - count, end)


@dataclass(frozen=True, eq=False)
class StoredModel:
    """The parameters of a checkpoint on disk."""

    checkpoint: Checkpoint
    model: PreTrainedModel
    """The model that the checkpoint loads as, without the values that are in the files."""
    parameters: Mapping[str, StoredParameter]
    """Parameters sorted by name. A tied one comes once, under the name that it has when loaded."""
    buffers: Mapping[str, StoredParameter]
    """Tensors that are loaded with the parameters but are none: statistics, expert biases."""

    @property
    def name(self) -> str:
        """The name that the user gave."""
        return self.checkpoint.name


def open_stored(name: str, dtype: torch.dtype | None = None) -> StoredModel:
    """Finds a checkpoint's parameters in its files. Reads the headers of the files only.

    Args:
        name: a folder, a hub id or testbed:NAME.
        dtype: dtype of the model without values. None takes the one that its config names.

    Raises:
        ValueError: the checkpoint is missing, broken or quantized, does not fit its config, or stores a parameter in
            another order.
    """
    checkpoint = open_checkpoint(name)
    if "quantization_config" in load_json(checkpoint.folder / "config.json", "checkpoint"):
        raise ValueError(
            f"model {name!r} is quantized, and a patch applies to weights as they were trained; give the checkpoint "
            "before quantization."
        )
    described = {key: (stored.dtype, stored.shape) for key, stored in checkpoint.tensors.items()}
    model = load_empty(str(checkpoint.folder), described, dtype)
    whole = {key: torch.empty(value.shape, device="meta") for key, value in model.state_dict(keep_vars=True).items()}
    parts = _find_parts(model, whole, checkpoint)
    _tie_equal(model, parts)
    untie_config(model)
    names: dict[int, list[str]] = {}
    for key, value in model.state_dict(keep_vars=True).items():
        names.setdefault(id(value), []).append(key)
    by_name = {
        group[0]: StoredParameter(group[0], tuple(whole[group[0]].shape), _copies(name, group, parts))
        for group in names.values()
    }
    parameters = dict(model.named_parameters())
    return StoredModel(
        checkpoint,
        model,
        {key: by_name[key] for key in sorted(parameters)},
        {key: by_name[key] for key in sorted(by_name) if key not in parameters},
    )


def stored_fingerprint(stored: StoredModel, progress: Progress = silent) -> str:
    """Returns the fingerprint of the model as loaded in float32: SHA-256 over names, shapes and float32 bits."""
    digest = hashlib.sha256()
    for done, (name, parameter) in enumerate(stored.parameters.items(), start=1):
        digest.update(f"{name}{parameter.shape}".encode())
        for start, count in runs(parameter.num_entries):
            digest.update(as_bytes(parameter.read(start, count).to(torch.float32)))
        progress(f"fingerprint of {stored.name}", done, len(stored.parameters))
    return digest.hexdigest()


class _WithoutCopies(TorchFunctionMode):
    """Turns copies of tensors off within the block, so that a view remains a view and keeps its offset."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func in (torch.Tensor.contiguous, torch.Tensor.clone):
            return args[0]
        return func(*args, **(kwargs or {}))


def _find_parts(model: PreTrainedModel, whole: Mapping[str, Tensor], checkpoint: Checkpoint) -> dict[str, Parts]:
    """Returns the stored tensors by name, where the checkpoint has all of them and each is one run of the parameter."""
    owner = {tensor.untyped_storage()._cdata: name for name, tensor in whole.items()}
    with _WithoutCopies():
        views = revert_weight_conversion(model, dict(whole))
    pieces: dict[str, Parts] = {name: [] for name in whole}
    for saved_name, view in views.items():
        name = owner.get(view.untyped_storage()._cdata)
        stored = checkpoint.tensors.get(any_prefix(model, saved_name, checkpoint.tensors) or "")
        if name and stored and stored.shape == tuple(view.shape) and view.is_contiguous():
            pieces[name].append((int(view.storage_offset()), stored))
    return {
        name: sorted(parts, key=lambda part: part[0]) for name, parts in pieces.items() if _fill(parts, whole[name])
    }


def _fill(parts: Parts, whole: Tensor) -> bool:
    """Returns True if the parts have one dtype and fill the whole tensor."""
    has_one_dtype = len({stored.dtype for _, stored in parts}) == 1
    return has_one_dtype and sum(stored.num_entries for _, stored in parts) == whole.numel()


def _tie_equal(model: PreTrainedModel, parts: Mapping[str, Parts]) -> None:
    """Ties weights that the config calls tied and the files hold twice, if both are equal. Loading does the same."""
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
            f"model {name!r} stores {group[0]} in another order, under other names or in several dtypes, so it "
            "can't be edited in place; load it and save it again with `save_pretrained`, or apply the patch to the "
            "loaded model."
        )
    return copies


def _read(parts: Parts, start: int, count: int) -> Tensor:
    read = [tensor.read(offset, piece.stop - piece.start) for tensor, offset, piece in _pieces(parts, start, count)]
    return read[0] if len(read) == 1 else torch.cat(read)


def _pieces(parts: Parts, start: int, count: int) -> Iterator[tuple[StoredTensor, int, slice]]:
    """Yields the pieces of a run: the tensor, its first entry in the run, and the slice of the run that it fills."""
    number = bisect_right(parts, start, key=lambda part: part[0]) - 1
    place = start
    while place < start + count:
        begun, tensor = parts[number]
        end = min(start + count, begun + tensor.num_entries)
        yield tensor, place - begun, slice(place - start, end - start)
        place, number = end, number + 1
