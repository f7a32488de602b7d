"""How many scored entries have a score of which size, and where a selection cuts.

bin(s) = floor(BINS_PER_DECADE * log10 s)   (zeros have no logarithm and are counted apart)

Bins lie at the same scores whatever they hold, so tensors are counted one after another, a block at a time.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from holdfast.select.blocks import BLOCK
from holdfast.values import Mask, Scores

BINS_PER_DECADE = 4
FIRST_BIN = -46 * BINS_PER_DECADE  # the smallest float32 above 0 is 1.4e-45
NUM_BINS = (39 + 46) * BINS_PER_DECADE  # the largest is 3.4e38


@dataclass(frozen=True)
class Distribution:
    """A histogram of the scores above 0, from the first bin that holds any to the last."""

    bin_edges: tuple[float, ...]
    """Scores between which the bins lie, one more than there are bins; none where all scores are 0."""
    counts: tuple[int, ...]
    zeros: int
    """Entries that score exactly 0."""
    cut: float | None
    """The smallest score that is selected; None where nothing is."""


def distribution(scores: Scores, mask: Mask) -> Distribution:
    """The distribution of all scores, and the smallest of those that a mask selects."""
    counts, zeros = torch.zeros(NUM_BINS, dtype=torch.int64), 0
    for tensor in scores.entries.values():
        for block in tensor.detach().reshape(-1).split(BLOCK):
            counts += _count(block)
            zeros += int((block == 0).sum())
    occupied = counts.nonzero().flatten()
    if not len(occupied):
        return Distribution((), (), zeros, _smallest(scores, mask))
    first, last = int(occupied[0]), int(occupied[-1])
    edges = tuple(10.0 ** ((FIRST_BIN + place) / BINS_PER_DECADE) for place in range(first, last + 2))
    return Distribution(edges, tuple(counts[first : last + 1].tolist()), zeros, _smallest(scores, mask))


def _count(block: Float[Tensor, " entries"]) -> Int[Tensor, " bins"]:
    # float64: in float32 a score just below an edge would round onto it.
    bins = (block[block > 0].double().log10() * BINS_PER_DECADE).floor().long() - FIRST_BIN
    return torch.bincount(bins, minlength=NUM_BINS)


def _smallest(scores: Scores, mask: Mask) -> float | None:
    found = (float(scores.entries[name].flatten()[index].min()) for name, index in mask.indices.items())
    smallest = min(found, default=math.inf)
    return smallest if math.isfinite(smallest) else None
