"""Scores to masks: which entries count as safety-critical, and the controls that they are compared with."""

from holdfast.select.bottom import BottomOptions, select_bottom
from holdfast.select.random import RandomOptions, select_random
from holdfast.select.registry import SELECTORS
from holdfast.select.set_difference import SetDifferenceOptions, select_set_difference
from holdfast.select.threshold import ThresholdOptions, select_threshold
from holdfast.select.top import TopOptions, select_top

__all__ = [
    "SELECTORS",
    "BottomOptions",
    "RandomOptions",
    "SetDifferenceOptions",
    "ThresholdOptions",
    "TopOptions",
    "select_bottom",
    "select_random",
    "select_set_difference",
    "select_threshold",
    "select_top",
]
