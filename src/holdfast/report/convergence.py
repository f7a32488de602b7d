"""Draws the agreement of two halves of the prompts against their size, and lists its numbers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from holdfast.report.axes import Axis, rate_axis
from holdfast.report.figures import WIDTH, Curve, Curves, Mark, Tick
from holdfast.report.records import Point
from holdfast.report.schema import with_ends
from holdfast.report.tables import NumberTable

LEFT, TOP, RIGHT, BOTTOM = 40.0, 12.0, WIDTH - 12.0, 208.0
Numbers = tuple[float, float | None, float | None]
"""A number with the ends of its interval, if it has one."""


@dataclass(frozen=True)
class _Line:
    label: str
    method: str
    marker: str
    numbers: tuple[Numbers, ...]


def convergence_curves(points: Sequence[Point]) -> Curves | None:
    """Draws the IoU of the two halves' selections, and of random ones. None if nothing was measured."""
    if not points:
        return None
    lines = (
        _Line("selected, two halves", "top", "circle", tuple((at.iou, at.iou_low, at.iou_high) for at in points)),
        _Line("random", "random", "square", tuple((at.random_iou, None, None) for at in points)),
    )
    sizes = [point.num_prompts for point in points]
    every = [number for line in lines for numbers in line.numbers for number in numbers]
    axis = rate_axis([number for number in every if number is not None])
    curves = tuple(_curve(line, sizes, axis) for line in lines)
    x_ticks = tuple(Tick(_across(size, sizes), f"{size:,}") for size in sizes)
    y_ticks = tuple(Tick(round(_upright(value, axis), 1), f"{value:g}") for value in axis.ticks)
    name, place = "Agreement of two halves (IoU)", (LEFT, TOP, RIGHT, BOTTOM)
    return Curves(name, WIDTH, 250, *place, curves, x_ticks, y_ticks, axis.words)


def convergence_table(points: Sequence[Point]) -> NumberTable:
    """Makes the table of agreement, one row per size of the halves."""
    rows = tuple(
        (
            f"{point.num_prompts:,}",
            with_ends(point.iou, point.iou_low, point.iou_high),
            f"{point.random_iou:.4f}",
            with_ends(point.rank_correlation, point.rank_low, point.rank_high),
        )
        for point in points
    )
    header = ("prompts in each half", "IoU", "random IoU", "rank correlation of all scores")
    return NumberTable("Agreement of two halves of the prompts", header, rows, frozenset(range(4)))


def _curve(line: _Line, sizes: Sequence[int], axis: Axis) -> Curve:
    marks = []
    for size, (value, low, high) in zip(sizes, line.numbers, strict=True):
        x, y = _across(size, sizes), _upright(value, axis)
        ends = (y, y) if low is None or high is None else (_upright(low, axis), _upright(high, axis))
        title = f"{line.label}, {size:,} prompts in each half: IoU {with_ends(value, low, high)}"
        marks.append(Mark(x, y, *ends, line.marker, line.method, title))
    path = " ".join(f"{mark.x:.1f},{mark.y:.1f}" for mark in marks)
    return Curve(line.label, line.method, line.marker, path, tuple(marks))


def _across(size: int, sizes: Sequence[int]) -> float:
    first, last = math.log(min(sizes)), math.log(max(sizes))
    share = (math.log(size) - first) / (last - first) if last > first else 0.5
    return LEFT + 14 + (RIGHT - LEFT - 28) * share


def _upright(value: float, axis: Axis) -> float:
    return BOTTOM - (BOTTOM - TOP) * axis.share(value)
