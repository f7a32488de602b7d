"""The scores by name: what `--method` takes. Each is a formula over weights and one thing that is measured."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from holdfast.registry import Registry

Needs = Literal["gradient", "inputs", "noise", "nothing"]


@dataclass(frozen=True)
class ScoreMethod:
    """A formula for one parameter's scores."""

    formula: Callable[[Tensor, Tensor, Tensor], Tensor]
    """Takes the weight, the mean over items of what it needs (float32) and sigma, the standard deviation of the matrix
    that an entry belongs to (broadcast to the weight's shape); returns scores of 0 or more, float32. All three may be
    of some rows of the weight."""
    unit: str
    """What a score of one means; `{objective}` stands for the objective's unit."""
    needs: Needs = "gradient"
    """The objective's gradient, the squares of a matrix's inputs (with 1 in place of its outputs), noise in the
    weight's shape, or nothing (an empty tensor)."""


SCORES: Registry[ScoreMethod] = Registry("score")
