"""Counts and comparisons over one block of scores, as the ranking needs them.

Blocks in host memory use numpy, because torch takes twice as long there. Blocks on a device use torch, and only the
counts and the selected positions are copied to the host.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

BLOCK = 2**18  # this many entries stay in a core's cache while they are counted, and larger blocks are slower
DEVICE_BLOCK = 2**26  # a device finishes smaller blocks before the next call arrives, and then waits
HALF_BITS = 16
LEFT_OUT = np.float32(np.nan)  # replaces an excluded score, since every comparison with NaN is false


@dataclass(frozen=True)
class HostBlock:
    """Float32 scores in host memory."""

    scores: np.ndarray

    def upper_counts(self) -> np.ndarray:
        """Counts the scores by their upper 16 bits."""
        return np.bincount(self.scores.view(np.uint32) >> HALF_BITS, minlength=2**HALF_BITS)

    def lower_counts(self, first: np.float32, last: np.float32) -> np.ndarray:
        """Counts the scores from `first` to `last`, both included, by their lower 16 bits."""
        inside = self.scores[np.flatnonzero(self.scores >= first)]
        inside = inside[inside <= last]
        return np.bincount(inside.view(np.uint32) & 0xFFFF, minlength=2**HALF_BITS)

    def beyond(self, value: np.float32, *, largest: bool) -> tuple[np.ndarray, np.ndarray]:
        """Returns the positions of the scores of at least (or at most) `value`, and a flag where they equal it."""
        within = np.flatnonzero(self.scores >= value if largest else self.scores <= value)
        return within, self.scores[within] == value

    def count_equal(self, value: np.float32) -> int:
        """Counts the scores that equal `value`."""
        return int(np.count_nonzero(self.scores == value))

    def ends(self) -> tuple[np.float32, np.float32]:
        """Returns the smallest and the largest score."""
        return self.scores.min(), self.scores.max()


@dataclass(frozen=True)
class DeviceBlock:
    """Float32 scores on a device."""

    scores: Float[Tensor, " entries"]

    def upper_counts(self) -> np.ndarray:
        """Counts the scores by their upper 16 bits."""
        return _counts(self.scores.view(torch.int32) >> HALF_BITS & 0xFFFF)  # the shift repeats the sign

    def lower_counts(self, first: np.float32, last: np.float32) -> np.ndarray:
        """Counts the scores from `first` to `last`, both included, by their lower 16 bits."""
        inside = self.scores[(self.scores >= float(first)) & (self.scores <= float(last))]
        return _counts(inside.view(torch.int32) & 0xFFFF)

    def beyond(self, value: np.float32, *, largest: bool) -> tuple[np.ndarray, np.ndarray]:
        """Returns the positions of the scores of at least (or at most) `value`, and a flag where they equal it."""
        chosen = self.scores >= float(value) if largest else self.scores <= float(value)
        within = chosen.nonzero().flatten()
        return within.cpu().numpy(), (self.scores[within] == float(value)).cpu().numpy()

    def count_equal(self, value: np.float32) -> int:
        """Counts the scores that equal `value`."""
        return int((self.scores == float(value)).sum())

    def ends(self) -> tuple[np.float32, np.float32]:
        """Returns the smallest and the largest score."""
        smallest, largest = (np.float32(float(end)) for end in self.scores.aminmax())
        return smallest, largest


Block = HostBlock | DeviceBlock


def blocks_of(scores: Float[Tensor, "..."], excluded: Int[Tensor, " excluded"] | None) -> Iterator[tuple[int, Block]]:
    """Yields a tensor's scores in row-major order, as pairs of a block's first position and the block.

    Scores at excluded positions read NaN.
    """
    on_host = scores.device.type == "cpu"
    flat, length = scores.detach().reshape(-1), BLOCK if on_host else DEVICE_BLOCK
    for start in range(0, flat.numel(), length):
        block = flat[start : start + length].to(torch.float32)
        if excluded is not None:
            first, last = torch.searchsorted(excluded, torch.tensor([start, start + length])).tolist()
            if first < last:
                block = _without(block, excluded[first:last] - start)
        yield start, HostBlock(block.numpy()) if on_host else DeviceBlock(block)


def _without(block: Float[Tensor, " entries"], positions: Int[Tensor, " excluded"]) -> Float[Tensor, " entries"]:
    if block.device.type != "cpu":
        return block.index_fill(0, positions.to(block.device), float(LEFT_OUT))
    left = block.numpy().copy()
    left[positions.numpy()] = LEFT_OUT
    return torch.from_numpy(left)


def _counts(bits: Int[Tensor, " entries"]) -> np.ndarray:
    return torch.bincount(bits, minlength=2**HALF_BITS).cpu().numpy()
