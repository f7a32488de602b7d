"""The k largest (or smallest) scores of a whole model, exactly, without sorting and without concatenating.

The bits of non-negative float32 numbers sort like unsigned integers, so three passes are enough:
1. count the upper 16 bits of all scores, which gives the bucket of the k-th score
2. count the lower 16 bits within that bucket, which gives the k-th score itself
3. collect the entries beyond that score

Ties go to the earlier tensor (sorted names), then to the lower flat index. Beside the scores, memory holds two
histograms, a block and the result. Counts are int64, so models of any size fit. Scores on a device are counted there.

Where the scores are sharded, every process counts its own shard, the histograms are summed, and every process selects
within its shard. The process of lower rank holds the earlier entries of a tensor, so ties fall as in one process.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import NoReturn, TypeVar

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from holdfast.distributed import all_sum, gathered, rank
from holdfast.select.blocks import HALF_BITS, LEFT_OUT, Block, blocks_of
from holdfast.values import Mask, Meta, Scores, ScoresShard

Result = TypeVar("Result")
FIRST_UNRANKABLE = 0x7F80  # upper bits of infinity, and NaN and all negative numbers lie above
NEGATIVE_ZERO = 0x8000  # upper bits of -0.0, which ranks as 0.0
LEFT_OUT_BUCKET = int(LEFT_OUT.view(np.uint32)) >> HALF_BITS


@dataclass(frozen=True)
class Cut:
    """The cut through a ranking: all entries beyond `value` are selected, and the first `num_ties` that equal it."""

    value: np.float32
    num_ties: int
    largest: bool


def count_selected(fraction: float, num_entries: int) -> int:
    """Number of entries in a fraction of the scored entries, rounded to the nearest integer.

    Raises:
        ValueError: the fraction is not in (0, 1), or selects nothing.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"fraction {fraction} is not in (0, 1); give a share of the scored entries, e.g. 0.01.")
    num_selected = round(fraction * num_entries)
    if num_selected == 0:
        raise ValueError(
            f"fraction {fraction} of {num_entries} scored entries selects none; "
            f"give at least {1 / max(num_entries, 1):.2g}."
        )
    return num_selected


def refuse_too_many(num_selected: int, num_allowed: int) -> None:
    """Raises ValueError unless 1 to `num_allowed` entries are to be selected."""
    if not 0 < num_selected <= num_allowed:
        raise ValueError(
            f"cannot select {num_selected} of the {num_allowed} entries that may be selected; "
            "lower the fraction, or allow more of the model."
        )


def refuse_zeros(num_above: int, num_selected: int) -> NoReturn:
    """Raises ValueError because too few scores are above 0, so that some zeros would have to be selected."""
    raise ValueError(
        f"only {num_above} scores are above 0, so a choice of {num_selected} would pick zeros arbitrarily; "
        "lower the fraction, or score on more prompts."
    )


def select_extreme(
    scores: Scores, num_selected: int, *, largest: bool, made_by: Meta, exclude: Mask | None = None
) -> Mask:
    """Selects exactly `num_selected` entries with the largest (or smallest) scores, none of them in `exclude`.

    For a shard of scores the mask holds the selected entries of that shard. All processes together select
    `num_selected`.

    Raises:
        ValueError: a score is NaN, infinite or negative, or too few entries may be selected. Or too few scores are
            above 0, so that some zeros would be among the largest.
    """
    exclude = exclude and held_part(exclude, scores)
    num_excluded = sum(_everywhere(scores, sum(exclude[name].numel() for name in scores.entries) if exclude else 0))
    refuse_too_many(num_selected, scores.num_entries - num_excluded)
    cut = _find_cut(scores, num_selected, largest, exclude)
    if largest and cut.value == 0 and num_selected < scores.num_entries - num_excluded:
        refuse_zeros(num_selected - cut.num_ties, num_selected)
    return mask_of(scores, _collect(scores, cut, exclude), made_by)


def select_at_least(scores: Scores, value: np.float32, *, made_by: Meta) -> Mask:
    """Selects all entries with a score of `value` or more."""
    cut = Cut(value, num_ties=scores.num_entries, largest=True)
    return mask_of(scores, _collect(scores, cut, None), made_by)


def mask_of(scores: Scores, indices: Mapping[str, Int[Tensor, " _"]], made_by: Meta) -> Mask:
    """Makes a mask of scored entries.

    Raises:
        ValueError: the scores hold one number for each example.
    """
    if scores.granularity == "neuron_by_example":
        raise ValueError(
            "these scores have one number for each example, so an entry is no neuron; choose selector votes, or give "
            "the scores of all examples together."
        )
    return Mask(indices, scores.shapes, scores.base, scores.num_parameters, made_by, scores.granularity)


def score_range(scores: Scores) -> tuple[np.float32, np.float32]:
    """Returns the smallest and the largest score, over all processes that hold a shard.

    Raises:
        ValueError: a score is NaN, infinite or negative.
    """
    smallest, largest = [], []
    for name in scores.entries:
        count_upper(scores, name, None)  # raises ValueError for NaN, infinite and negative scores
        for _, block in _blocks(scores, name, None):
            low, high = block.ends()
            smallest.append(low)
            largest.append(high)
    return min(chain(*_everywhere(scores, smallest))), max(chain(*_everywhere(scores, largest)))


def held_part(mask: Mask, scores: Scores) -> Mask:
    """Limits a mask to the entries in a shard of scores. Whole scores give the whole mask."""
    if not isinstance(scores, ScoresShard):
        return mask
    indices = {}
    for name, tensor in scores.entries.items():
        ends = torch.tensor([scores.starts[name], scores.starts[name] + tensor.numel()])
        first, last = torch.searchsorted(mask[name], ends).tolist()
        indices[name] = mask[name][first:last]
    return replace(mask, indices=indices)


def _everywhere(scores: Scores, result: Result) -> list[Result]:
    """Gathers a result from all processes that hold a shard of the scores, in the order of their ranks."""
    return gathered(result) if isinstance(scores, ScoresShard) else [result]


def _total(scores: Scores, counts: np.ndarray) -> np.ndarray:
    """Sums the counts of all processes that hold a shard of the scores."""
    return all_sum(torch.from_numpy(counts)).numpy() if isinstance(scores, ScoresShard) else counts


def _find_cut(scores: Scores, num_selected: int, largest: bool, exclude: Mask | None) -> Cut:
    upper = sum(count_upper(scores, name, exclude) for name in scores.entries)
    bucket, num_within = _walk(_total(scores, np.asarray(upper)), num_selected, largest)
    lower = sum(_count_lower(scores, name, exclude, bucket) for name in scores.entries)
    low, num_ties = _walk(_total(scores, np.asarray(lower)), num_within, largest)
    return Cut(np.uint32(bucket << HALF_BITS | low).view(np.float32), num_ties, largest)


def count_upper(scores: Scores, name: str, exclude: Mask | None) -> np.ndarray:
    """Counts a tensor's scores by their upper 16 bits.

    Raises:
        ValueError: a score is NaN, infinite or negative, so it has no rank.
    """
    counts, tensor = np.zeros(2**HALF_BITS, dtype=np.int64), scores.entries[name]
    for _, block in _blocks(scores, name, exclude):
        counts += block.upper_counts()
    counts[LEFT_OUT_BUCKET] -= len(exclude[name]) if exclude else 0
    if counts[NEGATIVE_ZERO] and bool(tensor.min() >= 0):
        counts[[0, NEGATIVE_ZERO]] += counts[NEGATIVE_ZERO] * np.array([1, -1])
    num_unrankable = int(counts[FIRST_UNRANKABLE:].sum())
    if num_unrankable:
        raise ValueError(
            f"{num_unrankable} scores of {name} are NaN, infinite or negative; "
            "only finite scores of 0 or more have a rank; score again in float32."
        )
    return counts


def _count_lower(scores: Scores, name: str, exclude: Mask | None, bucket: int) -> np.ndarray:
    """Counts the scores with upper bits `bucket` by their lower 16 bits."""
    counts = np.zeros(2**HALF_BITS, dtype=np.int64)
    first, last = np.array([bucket << HALF_BITS, (bucket << HALF_BITS) | 0xFFFF], np.uint32).view(np.float32)
    for _, block in _blocks(scores, name, exclude):
        counts += block.lower_counts(first, last)
    return counts


def _walk(counts: np.ndarray, wanted: int, largest: bool) -> tuple[int, int]:
    """Finds the bin of the `wanted`-th entry, counted from one end, and how many entries to take from that bin."""
    ordered = counts[::-1] if largest else counts
    reached = ordered.cumsum()
    position = int(reached.searchsorted(wanted))
    left = wanted - int(reached[position] - ordered[position])
    return (len(counts) - 1 - position if largest else position), left


def _collect(scores: Scores, cut: Cut, exclude: Mask | None) -> dict[str, Int[Tensor, " _"]]:
    indices, ties = {}, _share_ties(scores, cut, exclude)
    for name in scores.entries:
        positions, ties_left = [], ties[name]
        for start, block in _blocks(scores, name, exclude):
            within, tied = block.beyond(cut.value, largest=cut.largest)
            positions.append(start + within[~tied | (tied.cumsum() <= ties_left)])
            ties_left -= min(ties_left, int(tied.sum()))
        indices[name] = torch.from_numpy(np.concatenate(positions)) if positions else torch.empty(0, dtype=torch.int64)
    return indices


def _share_ties(scores: Scores, cut: Cut, exclude: Mask | None) -> dict[str, int]:
    """Number of entries equal to the cut that this process takes from every tensor.

    Earlier tensors come first, and within a tensor the processes of lower rank.
    """
    names = list(scores.entries)
    counts = np.zeros(len(names), dtype=np.int64)
    for place, name in enumerate(names):
        for _, block in _blocks(scores, name, exclude):
            counts[place] += block.count_equal(cut.value)
    every, here = _everywhere(scores, counts), rank() if isinstance(scores, ScoresShard) else 0
    earlier = np.cumsum(sum(every)) - sum(every[here:])  # in earlier tensors, or in this one at a lower rank
    return {name: int(taken) for name, taken in zip(names, np.clip(cut.num_ties - earlier, 0, counts), strict=True)}


def _blocks(scores: Scores, name: str, exclude: Mask | None) -> Iterator[tuple[int, Block]]:
    """Yields a tensor's scores as pairs of a block's first flat index in the whole tensor and the block."""
    begin = scores.starts[name] if isinstance(scores, ScoresShard) else 0
    for start, block in blocks_of(scores.entries[name], exclude[name] - begin if exclude else None):
        yield begin + start, block
