"""union, intersection and difference of masks, and how much two masks overlap by chance.

difference(A, B, C, ...) = A minus all the others.
random_iou(A, B) = pq / (p + q - pq), p and q their densities: intersection over union of two random masks of those
sizes to be expected, p / (2 - p) for two of one density.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import reduce
from operator import and_, or_, sub
from typing import Literal

from holdfast.made_by import version
from holdfast.values import Mask

Operation = Literal["union", "intersection", "difference"]
OPERATORS: dict[Operation, Callable[[Mask, Mask], Mask]] = {"union": or_, "intersection": and_, "difference": sub}


class EmptyResultError(ValueError):
    """The masks, joined, select nothing."""


def combine(operation: Operation, masks: Sequence[Mask]) -> Mask:
    """The masks joined from left to right.

    Raises:
        EmptyResultError: nothing is left.
        ValueError: there are fewer than two masks, or they are of different models.
    """
    if len(masks) < 2:
        raise ValueError(f"{operation} joins masks, and {len(masks)} is given; give two or more.")
    joined = reduce(OPERATORS[operation], masks)
    if not len(joined):
        raise EmptyResultError(
            f"the {operation} of these {len(masks)} masks selects no entry, and an empty mask is of no use; "
            "choose another operation, or larger masks."
        )
    return replace(joined, made_by={"operation": operation, **version(), "masks": [dict(one.made_by) for one in masks]})


def random_iou(left: Mask, right: Mask) -> float:
    """The overlap to expect of two random masks of these sizes, in [0, 1]; 1 for two empty ones."""
    both = left.density * right.density
    either = left.density + right.density - both
    return both / either if either else 1.0
