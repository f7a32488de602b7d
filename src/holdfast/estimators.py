"""Names of objectives, and what estimators can be told; apart from them, so that `--help` imports no torch."""

from typing import Literal

Estimator = Literal["judge_gradient", "policy_gradient", "control_variate", "mix"]
"""Objectives that differentiate what a judge says."""
Likelihood = Literal["refusal_likelihood", "utility"]
"""Objectives that differentiate the likelihood of given responses."""
Reduction = Literal["mean", "sum"]
RelaxationKind = Literal["expectation", "straight_through", "gumbel"]
TEMPERATURE = 0.3
"""tau of the code released with arXiv 2604.08297."""
