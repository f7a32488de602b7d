"""A model, its responses and a judge to a number per weight: how much safety depends on it."""

from holdfast.score.esi import EsiOptions, score_esi
from holdfast.score.gradient_magnitude import gradient_magnitude
from holdfast.score.objective.judge_gradient import JudgeGradient
from holdfast.score.objective.response_likelihood import ResponseLikelihood
from holdfast.score.registry import SCORES
from holdfast.score.scoring import HalvedScores, ScoreOptions, score, score_halves

__all__ = [
    "SCORES",
    "EsiOptions",
    "HalvedScores",
    "JudgeGradient",
    "ResponseLikelihood",
    "ScoreOptions",
    "gradient_magnitude",
    "score",
    "score_esi",
    "score_halves",
]
