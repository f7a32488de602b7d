"""Draws the figures of SET and SPA: one measure of all arms with intervals, and a line at the start of the experiment.

Rates have a linear axis, and response lengths one from 0. Perplexity and its ratio to that of the start have a
logarithmic one. The ratio has a narrower interval than the two perplexities, because it compares the same exchanges.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from holdfast.outcomes import Rate
from holdfast.p_values import p_text
from holdfast.perplexity_texts import perplexity_text, perplexity_with_ends, ratio_text, ratio_with_ends
from holdfast.report.arms import MARKERS, PERPLEXITY_RATIO, Arm, is_length, is_perplexity, measure_label
from holdfast.report.axes import Axis, length_axis, perplexity_axis, rate_axis, ratio_axis
from holdfast.report.figures import WIDTH, Mark, Plot, Tick, numbers_of

ROW = 39.0
"""Height of a row: its name and its number stand above its mark, so that both are legible on a phone."""
MARK = 28.0
"""Distance of the mark from the top of its row."""


@dataclass(frozen=True)
class ForestRow:
    """Row of one arm: its name, its mark, its value as text, and its paired p value."""

    label: str
    y: float
    mark: Mark | None
    value: str
    note: str


@dataclass(frozen=True)
class Forest(Plot):
    """Figure of one measure over the arms, with whiskers along the axis and a broken line at the start."""

    rows: tuple[ForestRow, ...]
    ticks: tuple[Tick, ...]
    start: float | None
    sizes: str
    """Number of prompts, and the range of the axis if it is not 0 to 1."""


def forest(arms: Sequence[Arm], measure: str) -> Forest | None:
    """Draws one measure of every arm. None if no arm has it. The start has no row for the ratio to itself."""
    shown = [arm for arm in arms if measure != PERPLEXITY_RATIO or arm.method != "start"]
    values = [_value_of(arm, measure) for arm in shown]
    known = [value for value in values if value is not None]
    if not known:
        return None
    left, right, top = 6.0, WIDTH - 6.0, 0.0
    axis = _axis(measure, [*known, *numbers_of([rate for arm in shown if (rate := arm.rate(measure))])])

    def place(value: float) -> float:
        return left + (right - left) * axis.share(value)

    rows = []
    for position, arm in enumerate(shown):
        y = top + ROW * position + MARK
        rows.append(ForestRow(arm.label, y, *_row_parts(arm, measure, y, axis, place)))
    bottom = top + ROW * len(shown)
    start = _start(shown, values, measure)
    return Forest(
        measure_label(measure),
        WIDTH,
        bottom + 20,
        left,
        top,
        right,
        bottom,
        tuple(rows),
        tuple(Tick(place(value), f"{value:g}") for value in axis.ticks),
        None if start is None else place(start),
        " · ".join(filter(None, (_sizes(shown, measure), axis.words))),
    )


def _axis(measure: str, numbers: Sequence[float]) -> Axis:
    if measure == PERPLEXITY_RATIO:
        return ratio_axis(numbers, intervals=3)
    if is_length(measure):
        return length_axis(numbers, intervals=3)
    return perplexity_axis(numbers) if is_perplexity(measure) else rate_axis(numbers, intervals=3)


def _start(arms: Sequence[Arm], values: Sequence[float | None], measure: str) -> float | None:
    """Returns the value at the broken line. None if the start was not measured."""
    if measure == PERPLEXITY_RATIO:
        return 1.0
    return next((value for arm, value in zip(arms, values, strict=True) if arm.method == "start"), None)


def _row_parts(
    arm: Arm, measure: str, y: float, axis: Axis, place: Callable[[float], float]
) -> tuple[Mark | None, str, str]:
    value, rate, pair = _value_of(arm, measure), arm.rate(measure), arm.paired(measure)
    if value is None:
        unpaired = measure == PERPLEXITY_RATIO and arm.suite.perplexity is not None
        return None, "not paired" if unpaired else "not measured yet", ""
    # Perplexity has no interval in reports of earlier versions, nor for a single exchange.
    known = rate is not None and rate.low is not None and rate.high is not None
    low, high = (rate.low or 0.0, rate.high or 0.0) if rate and known else (value, value)
    mark = Mark(
        place(value),
        y,
        place(low),
        place(high),
        MARKERS[arm.method],
        arm.method,
        f"{arm.label}: {_in_full(measure, value, rate)}",
    )
    p_value = "" if pair is None else p_text(arm.corrected.get(measure, pair.p_value))
    text = _text_on(axis, measure)
    shown = f"{text(value)} [{text(low)}, {text(high)}]" if known else text(value)
    return mark, shown, f"p {p_value}" if p_value else ""


def _in_full(measure: str, value: float, rate: Rate | None) -> str:
    if measure == PERPLEXITY_RATIO and rate:
        return ratio_with_ends(rate)
    return perplexity_with_ends(value, rate) if is_perplexity(measure) else str(rate)


def _text_on(axis: Axis, measure: str) -> Callable[[float], str]:
    """Returns a function that prints the figure's numbers. Very large perplexities get three digits or an exponent."""
    if measure == PERPLEXITY_RATIO:
        return lambda value: _short_power(ratio_text(value))
    if is_length(measure):
        return lambda value: f"{value:.1f}"
    if not is_perplexity(measure):
        return lambda value: f"{value:.2f}"
    if axis.last < LONG:
        return lambda value: f"{value:.{axis.decimals}f}"
    return lambda value: _short_power(perplexity_text(value))


LONG = 1000.0
"""End of an axis of perplexity from which on its numbers get three significant digits or an exponent."""


def _short_power(text: str) -> str:
    """Shortens '1.2e+09' to '1.2e9', because three such numbers must fit beside the figure."""
    digits, power, exponent = text.partition("e")
    return f"{digits}e{int(exponent)}" if power else text


def _value_of(arm: Arm, measure: str) -> float | None:
    if measure == "perplexity":
        return arm.suite.perplexity
    rate = arm.rate(measure)
    return rate.value if rate else None


def _sizes(arms: Sequence[Arm], measure: str) -> str:
    """Writes 'n=200 (0 to 3 unscored)': the range over the arms of both counts. Empty if no arm has an interval."""
    rates = [rate for arm in arms if (rate := arm.rate(measure))]
    unscored = _range_of([rate.unscored for rate in rates])
    sizes = f"n={_range_of([rate.n for rate in rates])}" if rates else ""
    return f"{sizes} ({unscored} unscored)" if any(rate.unscored for rate in rates) else sizes


def _range_of(counts: Sequence[int]) -> str:
    """Writes '3', or '0 to 3' if the counts differ."""
    low, high = min(counts, default=0), max(counts, default=0)
    return f"{low}" if low == high else f"{low} to {high}"
