"""Options of steering, for commands whose help must not load torch."""

from pathlib import Path
from typing import Annotated, Literal, Self

from cyclopts import Parameter
from pydantic import Field, model_validator

from holdfast.config import Options
from holdfast.intervene.edit.amounts import require_coefficient
from holdfast.option_groups import FINE

Rule = Literal["add", "piecewise"]
"""Ways to move states: all in the same direction, or each away from the boundary between the two sides."""
Where = Literal["all", "prompt", "response"]
"""Tokens whose states are moved: all, those of the prompt, or the last one of every forward pass, which is the one that
the next token of the response is read from."""


class SteerOptions(Options):
    """Options of a measurement under steering."""

    random: int = Field(default=5, ge=0)
    """Number of random directions. Fewer than 19 can show no effect."""
    rule: Rule = "add"
    """add moves every state the same way, piecewise away from the boundary between the two sides."""
    where: Where = "all"
    """Tokens whose states are moved: all, prompt, or response."""
    renorm: Annotated[bool, Parameter(negative=""), FINE] = False
    """Gives every moved state the length that it had."""
    limit: int | None = Field(default=None, ge=1)
    """Prompts to take from every set, counted from its start. By default all."""


class SteeringOptions(Options):
    """Steering of a model while it answers and is measured. Its weights keep every bit."""

    direction: Path | None = None
    """File of `holdfast direction find`. Moves the residual stream along it while the model is measured."""
    coefficient: float | None = Field(default=None)
    """Distance to move, in units of the usual length of a state. A negative number goes the other way."""
    rule: Rule = "add"
    """Rule of moving.

    - add: moves every state the same way
    - piecewise: moves a state away from the boundary between the two sides
    """
    renorm: bool = False
    """Gives every moved state the length that it had."""
    where: Where = "all"
    """Tokens whose states are moved: all, prompt, or response."""

    @property
    def is_on(self) -> bool:
        """True where a direction is given."""
        return self.direction is not None

    @model_validator(mode="after")
    def _refuse_half(self) -> Self:
        given = [name for name, field in type(self).model_fields.items() if getattr(self, name) != field.default]
        if given and self.direction is None:
            raise ValueError(f"{given[0]} has no effect without a direction; give the file of one, or leave it out.")
        if self.direction is not None and self.coefficient is None:
            raise ValueError("a direction needs a coefficient; 0.2 moves every state by a fifth of its usual length.")
        if self.coefficient is not None:
            require_coefficient(self.coefficient)
        return self
