"""Curves over the strength of noise: higher rates stand higher, and labels do not touch."""

from holdfast.report.noise_curves import noise_curves
from tests.report.sample import read_noise, verify


def test_a_higher_rate_stands_higher_and_the_baseline_at_the_left():
    figure = noise_curves(read_noise(verify()), "asr")
    assert figure is not None
    top = next(curve for curve in figure.curves if curve.method == "top")
    assert len(top.marks) == 6
    assert top.marks[-1].y < top.marks[0].y
    assert top.marks[0].x < top.marks[1].x
    assert all(mark.high <= mark.y <= mark.low for curve in figure.curves for mark in curve.marks)


def test_labels_on_the_axis_do_not_touch():
    section = verify() | {"noise_ratio": [0.1, 0.2, 0.38, 1.0, 4.0]}
    figure = noise_curves(read_noise(section), "asr")
    assert figure is not None
    assert [tick.label for tick in figure.x_ticks] == ["0", "0.38", "1", "4"]


def test_noise_that_nobody_measured_is_not_drawn():
    assert noise_curves(read_noise({}), "utility") is None
