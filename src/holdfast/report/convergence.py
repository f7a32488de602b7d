"""Draws the agreement of two halves of the prompts against their size, and lists its numbers."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from holdfast.report.axes import Axis, rate_axis
from holdfast.report.figures import WIDTH, Curve, Curves, Mark, Tick
from holdfast.report.schema import with_ends
from holdfast.report.tables import NumberTable

LEFT, TOP, RIGHT, BOTTOM = 40.0, 12.0, WIDTH - 12.0, 208.0
LINES = {"iou": ("selected, two halves", "top", "circle"), "random_iou": ("random", "random", "square")}
"""Label, colour and marker of each line."""

Points = Sequence[Mapping[str, Any]]


def convergence_curves(points: Points) -> Curves | None:
    """Draws the IoU of the two halves' selections, and of random ones. None if nothing was measured."""
    if not points:
        return None
    sizes = [point["num_prompts"] for point in points]
    ends = [f"{key}{end}" for key in LINES for end in ("", "_low", "_high")]
    axis = rate_axis([point[end] for point in points for end in ends if point.get(end) is not None])
    curves = tuple(_curve(key, points, sizes, axis) for key in LINES)
    x_ticks = tuple(Tick(_across(size, sizes), f"{size:,}") for size in sizes)
    y_ticks = tuple(Tick(round(_upright(value, axis), 1), f"{value:g}") for value in axis.ticks)
    name, place = "Agreement of two halves (IoU)", (LEFT, TOP, RIGHT, BOTTOM)
    return Curves(name, WIDTH, 250, *place, curves, x_ticks, y_ticks, axis.words)


def convergence_table(points: Points) -> NumberTable:
    """Makes the table of agreement, one row per size of the halves."""
    rows = tuple(
        (
            f"{point['num_prompts']:,}",
            with_ends(point, "iou"),
            f"{point['random_iou']:.4f}",
            with_ends(point, "rank_correlation", ends="rank"),
        )
        for point in points
    )
    header = ("prompts in each half", "IoU", "random IoU", "rank correlation of all scores")
    return NumberTable("Agreement of two halves of the prompts", header, rows, frozenset(range(4)))


def _curve(key: str, points: Points, sizes: Sequence[int], axis: Axis) -> Curve:
    label, method, marker = LINES[key]
    marks = []
    for point in points:
        x, y = _across(point["num_prompts"], sizes), _upright(point[key], axis)
        low, high = (point.get(f"{key}_{end}") for end in ("low", "high"))
        ends = (y, y) if low is None or high is None else (_upright(low, axis), _upright(high, axis))
        title = f"{label}, {point['num_prompts']:,} prompts in each half: IoU {with_ends(point, key)}"
        marks.append(Mark(x, y, *ends, marker, method, title))  # pyright: ignore[reportArgumentType]
    line = " ".join(f"{mark.x:.1f},{mark.y:.1f}" for mark in marks)
    return Curve(label, method, marker, line, tuple(marks))  # pyright: ignore[reportArgumentType]


def _across(size: int, sizes: Sequence[int]) -> float:
    first, last = math.log(min(sizes)), math.log(max(sizes))
    share = (math.log(size) - first) / (last - first) if last > first else 0.5
    return LEFT + 14 + (RIGHT - LEFT - 28) * share


def _upright(value: float, axis: Axis) -> float:
    return BOTTOM - (BOTTOM - TOP) * axis.share(value)
