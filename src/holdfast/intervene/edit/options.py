"""Options of steering, for commands whose help must not load torch."""

from typing import Annotated, Literal

from cyclopts import Parameter
from pydantic import Field

from holdfast.config import Options
from holdfast.option_groups import FINE

Rule = Literal["add", "piecewise"]
"""How a state is moved: every one the same way, or away from the boundary between the two sides."""
Where = Literal["all", "prompt", "response"]
"""Tokens whose states are moved: all, those of the prompt, or the last one of every forward pass, which is the one that
the next token of the response is read from."""


class SteerOptions(Options):
    """Options of a measurement under steering."""

    random: int = Field(default=5, ge=0)
    """Number of random directions. 20 give a fair picture of chance."""
    rule: Rule = "add"
    """add moves every state the same way, piecewise away from the boundary between the two sides."""
    where: Where = "all"
    """Tokens whose states are moved: all, prompt, or response."""
    renorm: Annotated[bool, Parameter(negative=""), FINE] = False
    """Gives every moved state the length that it had."""
    limit: int | None = Field(default=None, ge=1)
    """Prompts to take from every set, counted from its start. By default all."""
