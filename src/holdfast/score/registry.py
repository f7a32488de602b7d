"""The registry of scores, the choices of `--method`. Each is a formula of a weight and one measured quantity."""

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
    """Maps three tensors to scores of 0 or more, float32: the weight, the mean over items of the measured quantity
    (float32), and sigma. sigma is the standard deviation of the matrix that an entry belongs to, broadcast to the
    weight's shape. All three may cover only some rows of the weight."""
    unit: str
    """Unit of the scores, with `{objective}` in place of the objective's unit."""
    needs: Needs = "gradient"
    """Measured quantity: the objective's gradient, the squares of a matrix's inputs (with 1 in place of its outputs),
    noise in the weight's shape, or nothing (an empty tensor)."""

    @property
    def uses_objective(self) -> bool:
        """True for a formula over the gradient of an objective."""
        return self.needs == "gradient"

    @property
    def uses_prompts(self) -> bool:
        """True for a formula over a quantity that is measured on prompts and their responses."""
        return self.needs in ("gradient", "inputs")


SCORES: Registry[ScoreMethod] = Registry("score")
