"""Selected entries of a model's parameters: found by name, read and written in O(selected), compared bit for bit.

For a model that FSDP2 shards, each process finds the mask's entries in its own shard, which may be none.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from holdfast.distributed import gathered
from holdfast.errors import InvariantError
from holdfast.granularity import UNITS
from holdfast.made_by import Meta, maker_words
from holdfast.models.given import model_words, require_module
from holdfast.models.shards import held, local
from holdfast.values import Mask, entries_in

INT32_MAX = 2**31 - 1


@dataclass(frozen=True, eq=False)
class Entries:
    """The selected entries of one parameter."""

    name: str
    weight: nn.Parameter
    index: Int[Tensor, " selected"]
    """Flat positions among the entries in this process, on the parameter's device. On accelerators they are int32 where
    they fit, which halves their memory and speeds up reads. A CPU would convert int32 for every write."""

    def __len__(self) -> int:
        return self.index.numel()

    def take(self, tensor: Float[Tensor, "..."]) -> Float[Tensor, " selected"]:
        """Reads the selected entries of a tensor of the parameter's shape: the parameter itself or its gradient."""
        return local(tensor.detach()).view(-1).index_select(0, self.index)

    def put(self, tensor: Float[Tensor, "..."], values: Float[Tensor, " selected"]) -> None:
        """Writes the selected entries of a tensor of the parameter's shape, cast to its dtype."""
        self._fetch(tensor)
        # index_put_ would split each write over the cores, and takes six times as long when those are busy.
        local(tensor.detach()).view(-1).index_copy_(0, self.index.long(), values.to(tensor.device, tensor.dtype))

    def blank(self, tensor: Float[Tensor, "..."]) -> None:
        """Sets the selected entries of a tensor of the parameter's shape to zero."""
        self._fetch(tensor)
        local(tensor.detach()).view(-1).index_fill_(0, self.index.long(), 0)

    def _fetch(self, tensor: Float[Tensor, "..."]) -> None:
        """Reads the entries into a CPU's cache. Distant reads overlap, and distant writes would wait for each other."""
        if tensor.device.type == "cpu":
            self.take(tensor)

    def read(self) -> Float[Tensor, " selected"]:
        """Reads a copy of the parameter's selected entries."""
        return self.take(self.weight)

    def read_whole(self) -> Float[Tensor, " selected"]:
        """Gathers the parameter's selected entries from all processes to the CPU. The order of ranks is the mask's."""
        here = self.read().cpu()
        return torch.cat(gathered(here)) if isinstance(self.weight, DTensor) else here

    def write(self, values: Float[Tensor, " selected"]) -> None:
        """Replaces the parameter's selected entries."""
        self.put(self.weight, values)


def select_entries(
    model: nn.Module, indices: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]], made_by: Meta
) -> list[Entries]:
    """Finds the entries that a mask or a patch points at, in its order of names. Errors name the model of `made_by`.

    Raises:
        ValueError: nothing is selected, or the model lacks a name or has it in another shape.
    """
    require_module(model)
    return find_entries(dict(model.named_parameters()), model_words(model), indices, shapes, made_by)


def find_entries(
    parameters: Mapping[str, nn.Parameter],
    model: str,
    indices: Mapping[str, Tensor],
    shapes: Mapping[str, tuple[int, ...]],
    made_by: Meta,
) -> list[Entries]:
    """Finds the entries that a mask or a patch points at among parameters by name. `model` names it in errors."""
    if any(hasattr(weight, "ds_id") for weight in parameters.values()):
        raise ValueError(
            f"DeepSpeed has split the parameters of {model} (ZeRO-3), so single entries can't be found in them; shard "
            "with FSDP2, or use ZeRO-2."
        )
    refuse_misfit(parameters, model, shapes, made_by)
    if not any(index.numel() for index in indices.values()):
        raise ValueError("the mask selects no entry; select at least one.")
    return [_entries(name, parameters[name], index) for name, index in indices.items() if index.numel()]


def refuse_misfit(
    parameters: Mapping[str, Tensor], model: str, shapes: Mapping[str, tuple[int, ...]], made_by: Meta
) -> None:
    """Raises ValueError when a model lacks a parameter of a mask, or has it quantized or in another shape.

    Args:
        parameters: the model's parameters by name.
        model: words for the model.
        shapes: the shapes of the mask's parameters.
        made_by: the mask's provenance, which names the model that it was made for.
    """
    for name, shape in shapes.items():
        _refuse_unknown(model, parameters, name, tuple(shape), maker_words(made_by))


def masked_entries(model: nn.Module, mask: Mask) -> list[Entries]:
    """Finds the entries that a mask selects from a model. Raises ValueError as `select_entries` does."""
    if mask.granularity != "weight":
        raise ValueError(
            f"this mask selects {UNITS[mask.granularity]}, and weights are needed; turn it into a mask of weights by "
            "holdfast.neuron_weights(model, mask)."
        )
    return select_entries(model, mask.indices, mask.shapes, mask.made_by)


@contextmanager
def restored(entries: Sequence[Entries]) -> Iterator[list[Float[Tensor, " selected"]]]:
    """Yields the values of these entries, and writes them back at the end of the block, also after an exception."""
    saved = [entry.read() for entry in entries]
    try:
        yield saved
    finally:
        for entry, values in zip(entries, saved, strict=True):
            entry.write(values)


OTHERS_CHANGED = (
    "entries outside the mask have changed while the masked ones were trained; something else writes to them, such as "
    "another callback: take it out, and train again from the start model."
)
"""Says that training only a mask's entries moved others too."""


def mask_digest(mask: Mask) -> str:
    """SHA-256 of the entries that a mask selects, to tell runs apart."""
    hashed = hashlib.sha256()
    for name, index in mask.indices.items():
        hashed.update(name.encode())
        hashed.update(index.numpy().tobytes())
    return hashed.hexdigest()


def same_bits(left: Tensor, right: Tensor) -> bool:
    """True where two vectors are equal bit for bit. NaN equals itself, and -0.0 differs from 0.0."""
    return left.dtype == right.dtype and torch.equal(left.view(torch.uint8), right.view(torch.uint8))


def refuse_changed(entries: list[Entries], values: list[Tensor]) -> None:
    """Raises InvariantError when an entry no longer holds its value bit for bit."""
    for entry, value in zip(entries, values, strict=True):
        if not same_bits(entry.read(), value):
            raise InvariantError(
                f"held weights of {entry.name} have changed; something else writes to them, such as an optimizer "
                "that swaps weights outside of its step; take it out, for example by another optimizer or callback, "
                "and train again from the base."
            )


def digest_outside(model: nn.Module, entries: list[Entries]) -> str:
    """SHA-256 of all parameters with these entries set to zero. Equal hashes mean that no other bit changed.

    For a sharded model each process hashes its own shard.
    """
    blanked = {entry.name: entry for entry in entries}
    digest = hashlib.sha256()
    for name, weight in model.named_parameters():
        values = local(weight.detach()).clone()
        if name in blanked:
            blanked[name].blank(values)
        digest.update(name.encode())
        digest.update(values.cpu().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _entries(name: str, weight: nn.Parameter, index: Tensor) -> Entries:
    here = held(weight)
    first, last = torch.searchsorted(index, torch.tensor([here.start, here.start + here.count])).tolist()
    narrow = here.count <= INT32_MAX and weight.device.type != "cpu"
    dtype = torch.int32 if narrow else torch.int64
    return Entries(name, weight, (index[first:last] - here.start).to(weight.device, dtype))


def refuse_adapters(model: nn.Module, instead: str) -> None:
    """Raises ValueError when a model has PEFT adapters. The error says what to do instead."""
    if any(".base_layer." in name for name, _ in model.named_parameters()):
        raise ValueError(f"{type(model).__name__} carries LoRA or other adapters: {instead}.")


def require_trainable(model: nn.Module, mask: Mask | None = None) -> None:
    """Raises ValueError when training would change nothing: every weight is frozen, or held by the mask."""
    trained = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    if not trained:
        raise ValueError(
            f"every weight of {type(model).__name__} is frozen (requires_grad is False), so training would change "
            "nothing; leave some of them free."
        )
    held = mask.indices if mask is not None else {}
    if all(len(held.get(name, ())) == weight.numel() for name, weight in trained.items()):
        raise ValueError(
            f"the mask holds every weight of {type(model).__name__} that is not frozen, so training would change "
            "nothing; select fewer weights to hold, or freeze fewer."
        )


def _refuse_unknown(
    model: str, parameters: Mapping[str, Tensor], name: str, shape: tuple[int, ...], maker: str
) -> None:
    if name not in parameters:
        raise ValueError(
            f"the mask was made for another model: {maker} has a parameter {name!r} of shape {shape}, and {model} has "
            "none; give the model that the mask was made for."
        )
    if not parameters[name].is_floating_point():
        raise ValueError(
            f"{name} of {model} is quantized ({parameters[name].dtype}), so its entries can't be read or held one by "
            "one; load the model without quantization, or train LoRA adapters on it, which can be held."
        )
    if len(shape) == 1 and parameters[name].dim() > 1 and parameters[name].numel() == entries_in(shape):
        raise ValueError(
            f"the mask has {name} flattened to {shape}, and {model} has it as {tuple(parameters[name].shape)}; give "
            "scores, or a mask's shapes, in the parameter's own shape (indices count its entries row by row)."
        )
    if tuple(parameters[name].shape) != shape:
        raise ValueError(
            f"the mask was made for another model: {maker} has {name} in shape {shape}, and {model} in shape "
            f"{tuple(parameters[name].shape)}; give the model that the mask was made for."
        )
