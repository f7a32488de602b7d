"""Draws what decided a condition of a gate: the measured number, its range, and the threshold.

The side of the threshold where the condition is met is shaded. A range that lies whole inside it fails the gate.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from holdfast.report.axes import Axis, change_axis, rate_axis
from holdfast.report.comparison import ConditionBounds
from holdfast.report.figures import WIDTH, Plot, Tick

LEFT, RIGHT = 16.0, WIDTH - 16.0
TOP, BOTTOM = 26.0, 58.0
AT_END = 70.0
"""Distance from an end of the axis within which the label of the threshold keeps to one side."""
ROOM = 0.15
"""Share of the span by which the axis at least reaches beyond the threshold, so that the shaded side shows."""
FORMS = {"change": "+z.3f", "value": "z.3f", "times": "z.3f"}
"""Formats of a number by its kind."""


@dataclass(frozen=True)
class IntervalFigure(Plot):
    """A number with its range and a threshold, on one axis. All places are in units of the figure."""

    value: float
    low: float
    high: float
    threshold: Tick
    anchor: str
    """Side on which the label of the threshold stands: middle, end, or empty for the start."""
    beyond: tuple[float, float]
    """Ends of the shaded side, where the condition is met."""
    ticks: tuple[Tick, ...]


def interval_figure(name: str, bounds: ConditionBounds) -> IntervalFigure | None:
    """Draws the bounds of a condition. None if one of them is not finite."""
    numbers = (bounds.value, bounds.low, bounds.high, bounds.bar)
    if not all(map(math.isfinite, numbers)):
        return None
    margin = ROOM * (max(numbers) - min(numbers)) * (1 if bounds.rising else -1)
    axis = _axis(bounds.scale, (*numbers, bounds.bar + margin))

    def place(number: float) -> float:
        return LEFT + (RIGHT - LEFT) * axis.share(number)

    value, low, high, bar = map(place, numbers)
    return IntervalFigure(
        name, WIDTH, BOTTOM + 24, LEFT, TOP, RIGHT, BOTTOM, value, low, high,
        threshold=Tick(bar, f"threshold {number_words(bounds.scale, bounds.bar)}"),
        anchor="" if bar < LEFT + AT_END else "end" if bar > RIGHT - AT_END else "middle",
        beyond=(bar, RIGHT) if bounds.rising else (LEFT, bar),
        ticks=tuple(Tick(place(tick), f"{tick:g}") for tick in axis.ticks),
    )  # fmt: skip


def number_words(scale: str, number: float) -> str:
    """Formats a number of a condition: '-0.050' for a change, '0.120' for a value, '1.105 times' for a multiple."""
    return f"{number:{FORMS[scale]}}{' times' if scale == 'times' else ''}"


def _axis(scale: str, numbers: Sequence[float]) -> Axis:
    if scale == "value" and all(0 <= number <= 1 for number in numbers[:4]):
        return rate_axis(numbers)
    return change_axis(numbers, base=1.0 if scale == "times" else 0.0)
