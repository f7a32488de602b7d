"""Checks on files that a mask's weights kept every bit (a hold), or that only these moved (SET).

The check reads two checkpoints a run of entries at a time. It loads neither, and memory holds one run of each. Values
are compared after an exact cast to a wider dtype, so float32 and bfloat16 files of equal values are equal. NaN equals
itself, and -0.0 differs from 0.0.
"""

import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Int, Shaped
from torch import Tensor

from holdfast.arguments import checked_call
from holdfast.artifacts import refuse_other_base
from holdfast.file_kinds import identify
from holdfast.made_by import model_name
from holdfast.models.load import require_model_name
from holdfast.models.paths import Place, by_layer, layer_and_path
from holdfast.models.stored import StoredModel, StoredParameter, open_stored, stored_fingerprint
from holdfast.notes import NOTE
from holdfast.pipeline.beside_weights import warn_of_broken, warn_of_config
from holdfast.pipeline.hold_check import Component, HoldCheck, MovedEntry, OnlyMaskCheck
from holdfast.progress import Progress, silent
from holdfast.select.neurons import neuron_weights
from holdfast.tensor_files import runs
from holdfast.value_or_path import as_mask
from holdfast.values import EMPTY, Mask

logger = logging.getLogger(__name__)
LISTED = 20
"""Most held entries that moved and are listed one by one."""


@checked_call
def check_hold(
    model: str | Path,
    base: str | Path,
    mask: Mask | str | Path,
    progress: Progress = silent,
    *,
    allow_unchanged: bool = False,
) -> HoldCheck:
    """Compares a checkpoint with the one that it was tuned from, inside and outside a mask.

    Example:
        >>> assert check_hold("tuned", "HuggingFaceTB/SmolLM2-135M-Instruct", "mask.safetensors")

    Args:
        model: the tuned checkpoint: a folder, a hub id or testbed:NAME. LoRA adapters must be merged first, and held
            ones by `load_protected` and `merge_protected`.
        base: the checkpoint that the mask was made for.
        mask: mask of the held entries, or the path of its file.
        progress: called after every parameter.
        allow_unchanged: accepts a checkpoint that has the base's own weights. It passes every check, so it is refused
            without this option.

    Raises:
        ValueError: no weight moved at all, the mask is empty or of another base, or a checkpoint is broken or lacks a
            parameter of the mask.
    """
    _require_order(base, mask)
    for name in (model, base):
        require_model_name(name)
    held, tuned, start = _opened(model, base, mask, progress)
    checked = HoldCheck(*_compared(held, tuned, start, progress, lists_held=True))
    _log_dtypes(sorted(held.indices), start, tuned, kept=bool(checked), words="held weight")
    if not allow_unchanged:
        checked.refuse_unchanged(tuned.name)
    return checked


@checked_call
def check_only_mask_moved(
    model: str | Path,
    base: str | Path,
    mask: Mask | str | Path,
    progress: Progress = silent,
    *,
    allow_unchanged: bool = False,
) -> OnlyMaskCheck:
    """Compares a checkpoint that SET tuned with its base: no weight outside the mask may have moved.

    Arguments and errors are those of `check_hold`.
    """
    _require_order(base, mask)
    for name in (model, base):
        require_model_name(name)
    trained, tuned, start = _opened(model, base, mask, progress)
    checked = OnlyMaskCheck(*_compared(trained, tuned, start, progress, lists_held=False))
    both = [name for name in start.parameters if _alike(start, tuned, name)]
    _log_dtypes(both, start, tuned, kept=bool(checked), words="weight outside the mask")
    if not allow_unchanged:
        checked.refuse_unchanged(tuned.name)
    return checked


def _require_order(base: object, mask: object) -> None:
    """Raises ValueError where a mask stands in the place of the base, and something else in that of the mask."""
    is_mask = isinstance(base, Mask) or (isinstance(base, str | Path) and identify(Path(base)).name == "mask")
    if is_mask and not isinstance(mask, Mask) and not Path(str(mask)).is_file():
        name = "a mask" if isinstance(base, Mask) else f"the mask {str(base)!r}"
        raise ValueError(
            f"base and mask are swapped: {name} is given as the base, and {str(mask)!r} as the mask; exchange the two."
        )


def _opened(
    model: str | Path, base: str | Path, mask: Mask | str | Path, progress: Progress
) -> tuple[Mask, StoredModel, StoredModel]:
    """Opens both checkpoints, and checks that the mask was made for the base."""
    chosen = as_mask(mask)
    tuned, start = open_stored(str(model)), open_stored(str(base))
    chosen = neuron_weights(start.model, chosen)
    _require_masked(chosen, tuned, start)
    _require_base(chosen, start, tuned, progress)
    warn_of_config(start, tuned)
    return chosen, tuned, start


def _compared(
    mask: Mask, tuned: StoredModel, start: StoredModel, progress: Progress, *, lists_held: bool
) -> tuple[tuple[Component, ...], tuple[MovedEntry, ...], tuple[str, ...]]:
    """Compares all parameters, and lists the first entries that moved, of the mask's or of all others."""
    both = [name for name in start.parameters if _alike(start, tuned, name)]
    counts: dict[Place, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    moved: list[MovedEntry] = []
    broken: dict[str, int] = defaultdict(int)
    for done, name in enumerate(both, start=1):
        count = counts[layer_and_path(name)]
        for run in _compare(start.parameters[name], tuned.parameters[name], mask.indices.get(name, EMPTY)):
            held_differs = run.differs[run.held]
            numbers = (
                len(run.differs),
                len(run.held),
                int(held_differs.sum()),
                int(run.differs.sum() - held_differs.sum()),
            )
            count[:] = [total + number for total, number in zip(count, numbers, strict=True)]
            moved += run.moved(name, LISTED - len(moved), held=lists_held)
            broken[name] += run.broken
        progress("comparing parameters", done, len(both))
    warn_of_broken(broken)
    components = tuple(Component(*place, *counts[place]) for place in sorted(counts, key=by_layer))
    apart = sorted((start.parameters.keys() | tuned.parameters.keys()) - set(both))
    return components, tuple(moved), tuple(apart)


def _require_base(mask: Mask, base: StoredModel, model: StoredModel, progress: Progress) -> None:
    """Raises ValueError when the mask was made for another model than the base, or the two are swapped."""
    fingerprint = stored_fingerprint(base, progress)
    if fingerprint != mask.base and stored_fingerprint(model, progress) == mask.base:
        raise ValueError(
            f"the two checkpoints are swapped: the mask was made for {model.name!r}; give that one as the base, "
            f"and {base.name!r} as the model."
        )
    refuse_other_base("the mask", mask, fingerprint, base.name)


def _log_dtypes(names: Sequence[str], base: StoredModel, model: StoredModel, *, kept: bool, words: str) -> None:
    """Logs a note when the two files store these parameters in different dtypes, a warning when a weight moved.

    `words` name one weight that must not move.
    """
    before, after = (_dtypes(names, stored) for stored in (base, model))
    if before == after:
        return
    if kept:
        what = f"every {words} kept every bit after a cast to the wider dtype, which is exact"
    elif not all(_can_hold(model.parameters[name].dtype, base.parameters[name].dtype) for name in names):
        what = f"each {words} is compared by its value, and rounding moved those that the model's dtype cannot hold"
    else:
        what = (
            f"each {words} is compared by its value; training or an edit moved those that differ, and rounding did "
            "not, because the model's dtype can hold every value of the base"
        )
    logger.log(NOTE if kept else logging.WARNING, "%s (base %s, model %s).", what, before, after)


def _dtypes(names: Sequence[str], stored: StoredModel) -> str:
    return ", ".join(sorted({str(stored.parameters[name].dtype).removeprefix("torch.") for name in names}))


def _can_hold(dtype: torch.dtype, other: torch.dtype) -> bool:
    """Returns True where a dtype holds every value of another one. bfloat16 and float16 don't hold each other's."""
    if not (dtype.is_floating_point and other.is_floating_point):
        return dtype.itemsize >= other.itemsize
    ours, theirs = torch.finfo(dtype), torch.finfo(other)
    return ours.eps <= theirs.eps and ours.tiny <= theirs.tiny and ours.max >= theirs.max


@dataclass(frozen=True, eq=False)
class _Run:
    """Consecutive entries of a parameter in both checkpoints."""

    start: int
    before: Shaped[Tensor, " entries"]
    after: Shaped[Tensor, " entries"]
    differs: Bool[Tensor, " entries"]
    held: Int[Tensor, " held"]
    """Positions of held entries in the run."""

    @property
    def broken(self) -> int:
        """Number of entries that are no finite number after, and were one before."""
        return int((~torch.isfinite(self.after) & torch.isfinite(self.before)).sum())

    def moved(self, name: str, limit: int, *, held: bool) -> list[MovedEntry]:
        """Returns the first entries that differ: held ones, or those that are not held."""
        others = self.differs.clone()
        others[self.held] = False
        places = (self.held[self.differs[self.held]] if held else others.nonzero().flatten())[:limit].tolist()
        return [
            MovedEntry(name, self.start + place, float(self.before[place]), float(self.after[place]))
            for place in places
        ]


def _compare(before: StoredParameter, after: StoredParameter, index: Int[Tensor, " selected"]) -> Iterator[_Run]:
    wide = torch.float64 if torch.float64 in (before.dtype, after.dtype) else torch.float32
    bits = torch.int64 if wide == torch.float64 else torch.int32
    for start, count in runs(before.num_entries):
        old, new = before.read(start, count).to(wide), after.read(start, count).to(wide)
        begin, end = torch.searchsorted(index, torch.tensor([start, start + count])).tolist()
        yield _Run(start, old, new, old.view(bits) != new.view(bits), index[begin:end] - start)


def _alike(start: StoredModel, tuned: StoredModel, name: str) -> bool:
    return name in tuned.parameters and tuned.parameters[name].shape == start.parameters[name].shape


def _require_masked(mask: Mask, *models: StoredModel) -> None:
    """Raises ValueError for an empty mask, or a checkpoint without the mask's entries."""
    if not len(mask):
        raise ValueError("the mask selects no entry, so there is nothing to check; select at least one.")
    for stored in models:
        for name in mask.indices:
            parameter = stored.parameters.get(name)
            if parameter is None or parameter.shape != tuple(mask.shapes[name]):
                holds = "has no such parameter" if parameter is None else f"stores it as {parameter.shape}"
                made_for = model_name(mask.made_by)
                named = f", {made_for!r}," if made_for else ""
                raise ValueError(
                    f"the mask holds entries of {name} {tuple(mask.shapes[name])}, and {stored.name!r} {holds}; give "
                    f"the checkpoint that the mask was made for{named} and one that was tuned from it."
                )
