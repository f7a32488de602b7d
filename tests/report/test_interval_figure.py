"""The figure of a condition: the range, the threshold, and the side where the condition is met."""

import math

import pytest

from holdfast.report.comparison import ConditionBounds
from holdfast.report.interval_figure import interval_figure, number_words


def figure_of(value, low, high, bar, scale="change", *, rising=True):
    return interval_figure("a condition", ConditionBounds(value, low, high, bar, scale, 100, "prompts", rising))


@pytest.mark.parametrize(
    ("numbers", "scale"),
    [((0.1, 0.05, 0.2, 0.02), "change"), ((0.9, 0.8, 0.95, 0.5), "value"), ((1.2, 1.1, 1.4, 1.5), "times")],
)
@pytest.mark.parametrize("rising", [True, False])
def test_the_shaded_side_begins_at_the_threshold_and_shows(numbers, scale, rising):
    figure = figure_of(*numbers, scale, rising=rising)
    assert figure.left <= figure.low < figure.value < figure.high <= figure.right
    start, end = figure.beyond
    assert (start if rising else end) == figure.threshold.at
    assert (end if rising else start) == (figure.right if rising else figure.left)
    assert end - start > 5


def test_the_axis_of_a_change_includes_no_change():
    assert "0" in [tick.label for tick in figure_of(-60.0, -70.0, -50.0, -30.0, rising=False).ticks]
    assert "1" in [tick.label for tick in figure_of(1.3, 1.2, 1.4, 1.5, "times").ticks]


def test_a_label_near_an_end_stays_inside():
    assert figure_of(0.5, 0.4, 0.6, 0.0, "change", rising=False).anchor != "end"
    assert figure_of(-0.9, -1.0, -0.8, -0.02, "change", rising=False).anchor == "end"


def test_a_range_without_an_end_has_no_figure():
    assert figure_of(1.0, -math.inf, 2.0, 0.0) is None


def test_numbers_are_written_by_their_kind():
    assert [number_words(scale, 0.05) for scale in ("change", "value", "times")] == ["+0.050", "0.050", "0.050 times"]
