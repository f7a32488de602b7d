"""What estimators of the gradient of safety can be told; apart from them, so that `--help` imports no torch."""

from typing import Literal

Reduction = Literal["mean", "sum"]
RelaxationKind = Literal["expectation", "straight_through", "gumbel"]
TEMPERATURE = 0.3
"""tau of the code released with arXiv 2604.08297."""
