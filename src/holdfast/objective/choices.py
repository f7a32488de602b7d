"""What objectives can be told beside their names. Imports no torch, so that `--help` is fast."""

from typing import Literal

Reduction = Literal["mean", "sum"]
"""Combines the tokens of a response."""
RelaxationKind = Literal["expectation", "straight_through", "gumbel"]
TEMPERATURE = 0.3
"""tau of the code released with arXiv 2604.08297."""
