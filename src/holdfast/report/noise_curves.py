"""Draws measures against the strength of the noise, one curve for each mask."""

from collections.abc import Callable, Sequence

from holdfast.outcomes import Rate
from holdfast.report.arms import measure_label
from holdfast.report.axes import rate_axis
from holdfast.report.figures import WIDTH, Curve, Curves, Mark, Tick, numbers_of
from holdfast.report.records import Noise
from holdfast.report.tables import VERIFY_ARMS


def noise_curves(verify: Noise, measure: str) -> Curves | None:
    """Draws safety, utility or coherence of every arm against the noise ratio. None while nothing was measured."""
    rates, ratios = verify.rates(measure), verify.noise_ratio
    if not ratios or not rates.arms:
        return None
    left, top, right, bottom = 40.0, 12.0, WIDTH - 12.0, 208.0
    longest = max(ratios) or 1.0
    start = [(0.0, rates.baseline)] if rates.baseline else []
    measured = [rate for of_arm in rates.arms.values() for rate in of_arm] + [rate for _, rate in start]
    axis = rate_axis(numbers_of(measured))

    def upright(value: float) -> float:
        return bottom - (bottom - top) * axis.share(value)

    def place(ratio: float) -> float:
        return left + 14 + (right - left - 28) * ratio / longest

    curves = []
    for position, (name, of_arm) in enumerate(rates.arms.items()):
        points = [*start, *zip(ratios, of_arm, strict=False)]
        # Arms are shifted sideways a little, because their whiskers would hide each other.
        shift = 3.0 * (position - (len(rates.arms) - 1) / 2)
        curves.append(_curve(name, [(place(ratio) + shift, ratio, rate) for ratio, rate in points], upright))
    x_ticks = _spread([Tick(place(ratio), f"{ratio:g}") for ratio in [0.0, *ratios]])
    y_ticks = tuple(Tick(round(upright(value), 1), f"{value:g}") for value in axis.ticks)
    name, ends = measure_label(measure), (left, top, right, bottom)
    return Curves(name, WIDTH, 250, *ends, tuple(curves), x_ticks, y_ticks, axis.words)


def _curve(name: str, points: Sequence[tuple[float, float, Rate]], upright: Callable[[float], float]) -> Curve:
    label, look = VERIFY_ARMS[name].label, VERIFY_ARMS[name].look
    marks = tuple(
        Mark(
            x,
            upright(rate.value),
            upright(rate.value if rate.low is None else rate.low),
            upright(rate.value if rate.high is None else rate.high),
            look.marker,
            look.name,
            f"{label}, noise ratio {ratio:g}: {rate}",
        )
        for x, ratio, rate in points
        if rate.value is not None
    )
    line = " ".join(f"{mark.x:.1f},{mark.y:.1f}" for mark in marks)
    return Curve(label, look.name, look.marker, line, marks)


def _spread(ticks: Sequence[Tick], apart: float = 26.0) -> tuple[Tick, ...]:
    """Keeps the ticks whose labels do not touch the label before."""
    kept: list[Tick] = []
    for tick in ticks:
        if not kept or tick.at - kept[-1].at >= apart:
            kept.append(tick)
    return tuple(kept)
