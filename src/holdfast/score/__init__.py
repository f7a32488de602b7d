"""Scores every weight of a model by how much safety, as a judge measures it on the model's responses, depends on it."""

from holdfast.objective.control_variate import ControlVariate
from holdfast.objective.judge_gradient import JudgeGradient
from holdfast.objective.policy_gradient import PolicyGradient
from holdfast.objective.response_likelihood import ResponseLikelihood
from holdfast.score.activation_contrast import contrast
from holdfast.score.esi import esi
from holdfast.score.gradient_magnitude import gradient_magnitude
from holdfast.score.linear_probe import probe
from holdfast.score.magnitude import magnitude
from holdfast.score.neuron_attribution import moving_columns
from holdfast.score.neuron_methods import NEURON_SCORES
from holdfast.score.neurons import NeuronScoreOptions, score_neurons
from holdfast.score.random import random
from holdfast.score.registry import SCORES
from holdfast.score.scoring import HalvedScores, ScoreOptions, score, score_halves
from holdfast.score.snip import snip
from holdfast.score.wanda import wanda

__all__ = [
    "NEURON_SCORES",
    "SCORES",
    "ControlVariate",
    "HalvedScores",
    "JudgeGradient",
    "NeuronScoreOptions",
    "PolicyGradient",
    "ResponseLikelihood",
    "ScoreOptions",
    "contrast",
    "esi",
    "gradient_magnitude",
    "magnitude",
    "moving_columns",
    "probe",
    "random",
    "score",
    "score_halves",
    "score_neurons",
    "snip",
    "wanda",
]
