"""Names of the objectives and values of the estimators' options, without torch so that `--help` stays fast."""

from typing import Literal

Estimator = Literal["judge_gradient", "policy_gradient", "control_variate", "mix"]
"""Objectives that differentiate a judge's score."""
Likelihood = Literal["refusal_likelihood", "utility"]
"""Objectives that differentiate the likelihood of given responses."""
Reduction = Literal["mean", "sum"]
RelaxationKind = Literal["expectation", "straight_through", "gumbel"]
TEMPERATURE = 0.3
"""tau of the code released with arXiv 2604.08297."""
