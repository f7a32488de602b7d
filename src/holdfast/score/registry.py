"""The scores that are made of weights and their gradients, by name: what `--score` takes."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from holdfast.models.sites import Site
from holdfast.registry import Registry


@dataclass(frozen=True)
class ScoreMethod:
    """A formula for one parameter's scores."""

    formula: Callable[[Tensor, Tensor, Site], Tensor]
    """Takes the weight, the objective's mean gradient (float32) and the site; returns scores of 0 or more, float32."""
    unit: str
    """What a score of one means; `{objective}` stands for the objective's unit."""


SCORES: Registry[ScoreMethod] = Registry("score")
