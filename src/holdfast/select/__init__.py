"""Selectors that turn scores into masks of safety-critical entries, control masks to compare with, mask algebra."""

from holdfast.select.algebra import combine, random_iou, random_iou_per_tensor
from holdfast.select.bottom import BottomOptions, select_bottom
from holdfast.select.random import RandomOptions, select_random
from holdfast.select.registry import SELECTORS
from holdfast.select.set_difference import SetDifferenceOptions, select_safety_only
from holdfast.select.threshold import ThresholdOptions, select_threshold
from holdfast.select.top import TopOptions, select_top
from holdfast.select.trim import trim
from holdfast.select.votes import VotesOptions, select_votes

__all__ = [
    "SELECTORS",
    "BottomOptions",
    "RandomOptions",
    "SetDifferenceOptions",
    "ThresholdOptions",
    "TopOptions",
    "VotesOptions",
    "combine",
    "random_iou",
    "random_iou_per_tensor",
    "select_bottom",
    "select_random",
    "select_safety_only",
    "select_threshold",
    "select_top",
    "select_votes",
    "trim",
]
