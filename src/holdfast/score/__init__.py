"""Scores every weight of a model by how much safety, as a judge measures it on the model's responses, depends on it."""

from holdfast.objective.control_variate import ControlVariate
from holdfast.objective.judge_gradient import JudgeGradient
from holdfast.objective.policy_gradient import PolicyGradient
from holdfast.objective.response_likelihood import ResponseLikelihood
from holdfast.score.esi import esi
from holdfast.score.gradient_magnitude import gradient_magnitude
from holdfast.score.magnitude import magnitude
from holdfast.score.random import random
from holdfast.score.registry import SCORES
from holdfast.score.scoring import HalvedScores, ScoreOptions, score, score_halves
from holdfast.score.snip import snip
from holdfast.score.wanda import wanda

__all__ = [
    "SCORES",
    "ControlVariate",
    "HalvedScores",
    "JudgeGradient",
    "PolicyGradient",
    "ResponseLikelihood",
    "ScoreOptions",
    "esi",
    "gradient_magnitude",
    "magnitude",
    "random",
    "score",
    "score_halves",
    "snip",
    "wanda",
]
