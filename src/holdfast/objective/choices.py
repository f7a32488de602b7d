"""Choices that configure an objective. Imports no torch, so that `--help` is fast."""

from typing import Literal

Reduction = Literal["mean", "sum"]
"""Ways to make one number of a response's token values."""
RelaxationKind = Literal["expectation", "straight_through", "gumbel"]
TEMPERATURE = 0.3
"""Default tau of a relaxed draw, as in the code released with arXiv 2604.08297."""
