"""Union, intersection and difference of masks, and the overlap that two random masks have by chance.

difference(A, B, C, ...) = A minus all the others.
random_iou(A, B) = pq / (p + q - pq), where p and q are the densities of A and B. It is the intersection over union
(IoU) to expect of two random masks of those sizes. Two random masks of one density p reach p / (2 - p).
random_iou_per_tensor(A, B) = I / (a + b - I), with I = sum over tensors of a_t b_t / n_t. a_t and b_t count the
selected of the n_t entries of tensor t. It is the IoU to expect of random masks with as many entries in every tensor.
It is the fairer control where the layers differ in density, because two masks then overlap more by chance.
"""

import math
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
    """The combined masks select no entry."""


def combine(operation: Operation, masks: Sequence[Mask]) -> Mask:
    """Combines masks from left to right.

    Raises:
        EmptyResultError: the result selects no entry.
        ValueError: there are fewer than two masks, or they were made for different models.
    """
    if len(masks) < 2:
        raise ValueError(f"{operation} needs two or more masks, got {len(masks)}; give two or more.")
    joined = reduce(OPERATORS[operation], masks)
    if not len(joined):
        raise EmptyResultError(
            f"the {operation} of these {len(masks)} masks selects no entry, and an empty mask is of no use; "
            "choose another operation, or larger masks."
        )
    origins = [dict(mask.made_by) for mask in masks]
    return replace(joined, made_by={"operation": operation, **version(), "masks": origins})


def random_iou(left: Mask, right: Mask) -> float:
    """The IoU to expect of two random masks of these sizes, in [0, 1]. Two empty masks have 1."""
    both = left.density * right.density
    either = left.density + right.density - both
    return both / either if either else 1.0


def random_iou_per_tensor(left: Mask, right: Mask) -> float:
    """The IoU to expect of two random masks with as many entries in every tensor, in [0, 1]. Two empty ones have 1."""
    shared = left.indices.keys() & right.indices.keys()
    both = sum(len(left.indices[name]) * len(right.indices[name]) / math.prod(left.shapes[name]) for name in shared)
    either = len(left) + len(right) - both
    return both / either if either else 1.0
