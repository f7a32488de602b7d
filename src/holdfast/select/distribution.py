"""Histogram of a model's scores by magnitude, and the smallest score that a mask selects.

bin(s) = floor(BINS_PER_DECADE * log10 s)   (zeros have no logarithm and are counted apart)

The edges are fixed, so tensors are counted one after another, a block at a time. Most scores are counted by the upper
16 bits of their pattern, as in the ranking. Only where an edge parts the scores with the same upper bits (about 1%)
does the code take logarithms.
"""

import math
from collections.abc import Iterator
from functools import cache

import numpy as np

from holdfast.outcomes import Distribution
from holdfast.select.blocks import BLOCK, HALF_BITS
from holdfast.select.ranking import FIRST_UNRANKABLE
from holdfast.values import Mask, Scores

BINS_PER_DECADE = 4
FIRST_BIN = -46 * BINS_PER_DECADE  # the smallest float32 above 0 is 1.4e-45
NUM_BINS = (39 + 46) * BINS_PER_DECADE  # the largest is 3.4e38
NO_BIN, PARTED = -1, -2


def distribution(scores: Scores, mask: Mask) -> Distribution:
    """Counts all scores by magnitude and finds the smallest score that the mask selects."""
    bin_of, zeros = _bin_of_patterns(), 0
    is_parted, has_bin = bin_of == PARTED, bin_of >= 0
    patterns, counts = np.zeros(2**HALF_BITS, np.int64), np.zeros(NUM_BINS, np.int64)
    for block in _blocks(scores):
        upper = block.view(np.uint32) >> HALF_BITS
        patterns += np.bincount(upper, minlength=2**HALF_BITS)
        counts += np.bincount(_bins(block[is_parted[upper] & (block > 0)]), minlength=NUM_BINS)
        zeros += int(np.count_nonzero(block == 0))
    counts += np.bincount(bin_of[has_bin], patterns[has_bin], NUM_BINS).astype(np.int64)
    occupied = counts.nonzero()[0]
    if not len(occupied):
        return Distribution((), (), zeros, _smallest(scores, mask))
    first, last = int(occupied[0]), int(occupied[-1])
    edges = tuple(10.0 ** ((FIRST_BIN + place) / BINS_PER_DECADE) for place in range(first, last + 2))
    return Distribution(edges, tuple(counts[first : last + 1].tolist()), zeros, _smallest(scores, mask))


def _blocks(scores: Scores) -> Iterator[np.ndarray]:
    for tensor in scores.entries.values():
        flat = tensor.detach().float().reshape(-1).numpy()
        yield from (flat[start : start + BLOCK] for start in range(0, len(flat), BLOCK))


def _bins(scores: np.ndarray) -> np.ndarray:
    # float64: in float32 a score just below an edge would round onto it.
    return np.floor(BINS_PER_DECADE * np.log10(scores.astype(np.float64))).astype(np.int64) - FIRST_BIN


@cache
def _bin_of_patterns() -> np.ndarray:
    """The bin of the scores above 0 with each pattern of upper bits, or PARTED where an edge lies between them."""
    patterns = np.arange(1, FIRST_UNRANKABLE, dtype=np.uint32) << HALF_BITS
    smallest, largest = _bins(patterns.view(np.float32)), _bins((patterns | 0xFFFF).view(np.float32))
    bins = np.full(2**HALF_BITS, NO_BIN)
    bins[0], bins[1:FIRST_UNRANKABLE] = PARTED, np.where(smallest == largest, smallest, PARTED)
    return bins


def _smallest(scores: Scores, mask: Mask) -> float | None:
    by_parameter = (float(scores.entries[name].flatten()[index].min()) for name, index in mask.indices.items())
    smallest = min(by_parameter, default=math.inf)
    return smallest if math.isfinite(smallest) else None
