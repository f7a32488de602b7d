"""Overlap of two masks: their IoU with its interval, beside the IoU of random masks

The controls are random masks of the same sizes, and random masks with as many entries in every tensor (`algebra.py`).
The interval is a jackknife over the model's matrices (`jackknife.py`). It says nothing about other prompts.
"""

from dataclasses import dataclass
from pathlib import Path

from holdfast.arguments import checked_call
from holdfast.outcomes import iou_words
from holdfast.select.algebra import random_iou, random_iou_per_tensor
from holdfast.select.jackknife import iou_interval
from holdfast.value_or_path import as_mask
from holdfast.values import Mask, refuse_unlike


@dataclass(frozen=True, repr=False)
class Overlap:
    """How far two masks select the same entries."""

    iou: float
    """Intersection over union, in [0, 1]."""
    iou_low: float | None
    """Ends of its 95% interval over matrices, not over prompts. None where fewer than two matrices are selected."""
    iou_high: float | None
    random_iou: float
    """IoU to expect of random masks of these sizes, drawn from all scored entries."""
    random_iou_per_tensor: float
    """IoU to expect of random masks with as many entries in every tensor, the fairer control."""
    num_first: int
    """Number of entries that the first mask selects."""
    num_second: int
    """Number of entries that the second mask selects."""
    num_both: int
    """Number of entries that both masks select."""

    def __repr__(self) -> str:
        return f"<Overlap: {iou_words(self)}>"


@checked_call
def overlap(first: Mask | str | Path, second: Mask | str | Path) -> Overlap:
    """Compares two masks of one model with each other, and with what random masks would share.

    Example:
        >>> print(overlap(mask, control))

    Args:
        first: a mask, or the path of its file.
        second: another mask of the same model, or the path of its file.

    Raises:
        ValueError: the masks are of different models or units.
    """
    masks = as_mask(first), as_mask(second)
    refuse_unlike(("the first mask", "the second"), masks)
    iou, sizes = masks[0].iou(masks[1]), (len(masks[0]), len(masks[1]))
    chance = random_iou(*masks), random_iou_per_tensor(*masks)
    return Overlap(iou, *iou_interval(*masks), *chance, *sizes, num_shared(iou, *sizes))


def num_shared(iou: float, num_first: int, num_second: int) -> int:
    """Returns the number of entries that two masks share, from their IoU and their sizes."""
    return round(iou * (num_first + num_second) / (1 + iou))  # IoU = shared / (first + second - shared)
