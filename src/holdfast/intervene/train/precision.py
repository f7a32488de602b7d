"""Trains in float32, casts back once to the dtypes of the checkpoint's files, and counts the changes that survive

    moved    entries that training changed, in float32
    changed  those of them that still differ from the checkpoint after the cast

bfloat16 keeps 8 bits, so a weight moves only by steps of at least 2^-9 of itself. At a learning rate of 1e-6 the cast
undoes nearly all of a training, whatever its loss in float32 was.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from holdfast.distributed import gathered
from holdfast.intervene.options import SftOptions
from holdfast.models.load import LoadedModel
from holdfast.models.shards import is_sharded, local

logger = logging.getLogger(__name__)


@dataclass
class Kept:
    """Counts of entries that training moved, and that differ after the cast, among those that this process holds."""

    moved: int = 0
    """Number of entries that training changed, in float32."""
    changed: int = 0
    """Number of entries that differ from the checkpoint in its own dtype."""


@contextmanager
def trained_in_float32(loaded: LoadedModel, *, counted: bool = True) -> Iterator[Kept]:
    """Keeps the weights in float32 inside the context, then rounds them to values that the stored dtypes can hold.

    The yielded counts are filled in at the end, if `counted`. Counting needs a copy of all weights that need a
    gradient, in host memory and in the stored dtypes.

    Raises:
        ValueError: a sharded model was not loaded in float32, and its dtype can't change any more.
    """
    before, kept = _floating(loaded.model), Kept()
    start = _stored_values(loaded) if counted else {}
    if any(dtype != torch.float32 for *_, dtype in before):
        _refuse_sharded(loaded)
        loaded.model.float()
    try:
        yield kept
    finally:
        _cast_back(loaded, start, kept)
        for tensors, key, dtype in before:
            tensor = tensors[key]
            if tensor is not None and tensor.dtype != dtype:
                tensor.data = tensor.data.to(dtype)


def kept_by_all(kept: Kept, loaded: LoadedModel) -> Kept:
    """Adds up the counts of all processes that hold parts of a sharded model."""
    if not is_sharded(loaded.model):
        return kept
    counts = gathered((kept.moved, kept.changed))
    return Kept(*(sum(numbers) for numbers in zip(*counts, strict=True)))


def warn_of_no_change(kept: Kept, loaded: LoadedModel, options: SftOptions, *, keeps_the_learned: bool = False) -> bool:
    """Logs a warning when training changed no weight, or when the cast undid most changes. Returns True if it did.

    Rounding undoes most of the smallest changes of a good training too. So the second warning is left out where
    `keeps_the_learned` says that the loss stayed low.
    """
    if not kept.moved:
        logger.warning(
            "no weight changed in %d training steps at learning_rate=%g: the rate starts at 0 and rises during the "
            "first steps (warmup_share=%g); train for more iterations, or raise the rate.",
            options.iterations,
            options.learning_rate,
            options.warmup_share,
        )
        return True
    if kept.changed < kept.moved / 2 and not keeps_the_learned:
        logger.warning(
            "rounding to %s undid the training of %s of %s entries, so the loss of the saved checkpoint differs from "
            "the loss reported in training. That is usual after few steps (%s were made) or small ones; train "
            "for more iterations, raise the learning rate (%g), or start from a float32 checkpoint.",
            str(loaded.storage_dtype).removeprefix("torch."),
            f"{kept.moved - kept.changed:,}",
            f"{kept.moved:,}",
            f"{options.iterations:,}",
            options.learning_rate,
        )
        return True
    return False


def refuse_broken(loaded: LoadedModel, options: SftOptions) -> None:
    """Raises ValueError when training, or the cast to the checkpoint's dtype, left a weight that is not finite."""
    weights = {name: local(weight.detach()) for name, weight in loaded.model.named_parameters()}
    counts = gathered({name: int((~weight.isfinite()).sum()) for name, weight in weights.items()})
    largest = {name: max(of_process[name] for of_process in counts) for name in weights}
    broken = {name: count for name, count in largest.items() if count}
    if broken:
        raise ValueError(
            f"training left {sum(broken.values()):,} weights that are not finite in {loaded.storage_dtype}, the first "
            f"in {next(iter(broken))!r}, and nothing is saved; lower learning_rate={options.learning_rate:g}."
        )


def _stored_values(loaded: LoadedModel) -> dict[str, Tensor]:
    """Copies all weights held here that need a gradient to the CPU, in the dtypes of the checkpoint's files."""
    trained = [(name, weight) for name, weight in loaded.model.named_parameters() if weight.requires_grad]
    return {name: local(weight.detach()).to("cpu", loaded.stored_dtype(name), copy=True) for name, weight in trained}


@torch.no_grad()
def _cast_back(loaded: LoadedModel, start: Mapping[str, Tensor], kept: Kept) -> None:
    for name, weight in loaded.model.named_parameters():
        values = local(weight.detach())
        stored = values.to(loaded.stored_dtype(name))  # the one cast back
        if name in start:
            kept.moved += int((values.cpu() != start[name].float()).sum())
            kept.changed += int((stored.cpu() != start[name]).sum())
        values.copy_(stored)


def _floating(model: nn.Module) -> list[tuple[Mapping[str, Tensor | None], str, torch.dtype]]:
    """Lists parameters and buffers with their dtypes, because buffers such as tables of positions differ."""
    places = [place for module in model.modules() for place in (module._parameters, module._buffers)]
    return [
        (place, key, tensor.dtype)
        for place in places
        for key, tensor in place.items()
        if tensor is not None and tensor.is_floating_point()
    ]


def _refuse_sharded(loaded: LoadedModel) -> None:
    if is_sharded(loaded.model):
        raise ValueError(
            f"a sharded model is trained in the dtype that it is loaded in, and {loaded.model.dtype} loses small "
            "steps; load it with dtype='float32'."
        )
