"""Renders a bakeoff as one page: a table of the contestants, and for each a figure of safety and utility."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from holdfast.outcomes import SafetyMeasure
from holdfast.report.arms import MARKERS
from holdfast.report.figures import TICKS, Curve, Curves, Mark, Tick
from holdfast.report.page import environment
from holdfast.report.safety import NAMES
from holdfast.report.schema import rate_from, with_ends
from holdfast.report.tables import NumberTable

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 260.0, 178.0, 34.0, 10.0, 250.0, 138.0
MEASURES = {
    "asr": ("attack success", "top", "circle"),
    "not_refused": ("not refused", "top", "circle"),
    "utility": ("utility", "bottom", "square"),
}
"""Label, colour and marker of each curve. A figure has two: a measure of safety, and utility."""


def render_bakeoff(result: Mapping[str, Any]) -> str:
    """Renders the page of a bakeoff, complete or not. Equal results give equal pages."""
    rows = result["rows"]
    return environment().get_template("bakeoff.html.j2").render(
        result=result,
        safety=NAMES[_safety_measure(result)],
        markers=MARKERS,
        table=bakeoff_table(result),
        figures=[(row["name"], size_curves(row)) for row in rows],
        legend_curves=size_curves(rows[0]).curves if rows else (),
    )  # fmt: skip


def bakeoff_table(result: Mapping[str, Any]) -> NumberTable:
    """Makes the table of contestants: one row each with its cost, predictions, agreement, and the effect of noise."""
    fraction = result["config"]["fractions"][0]
    safety = {"asr": "ASR", "not_refused": "not refused"}[_safety_measure(result)]
    header = (
        "score, objective, selector",
        "seconds",
        "predicts (rank correlation)",
        "halves: rank correlation",
        "halves: IoU (random)",
        "seeds: IoU",
        "with the first: IoU (random)",
        f"{safety} under noise, {fraction:.3g}",
        f"utility under noise, {fraction:.3g}",
    )
    rows = tuple(_table_row(row) for row in result["rows"])
    return NumberTable("Contestants at one budget", header, rows, frozenset(range(1, len(header))))


def _table_row(row: Mapping[str, Any]) -> tuple[str, ...]:
    halves, point = row["halves"], row["points"][0]
    return (
        row["name"],
        f"{row['seconds']:.1f}",
        with_ends(row, "predicts", ".2f"),
        with_ends(halves, "rank_correlation", ".2f", ends="rank"),
        _overlap(halves),
        ", ".join(with_ends(seed, "iou", ".2f") for seed in row["seeds"]) or "not asked",
        _overlap(row["with_first"]),
        *(str(rate_from(point[measure])) for measure in _measures_of(point)),
    )


def _safety_measure(result: Mapping[str, Any]) -> SafetyMeasure:
    """Returns the measure of safety that the contestants report."""
    return "not_refused" if any("not_refused" in row["points"][0] for row in result["rows"]) else "asr"


def _measures_of(point: Mapping[str, Any]) -> list[str]:
    return [measure for measure in MEASURES if measure in point]


def _overlap(overlap: Mapping[str, Any]) -> str:
    return f"{with_ends(overlap, 'iou', '.2f')} ({overlap['random_iou']:.3f})"


def size_curves(row: Mapping[str, Any]) -> Curves:
    """Draws safety and utility under noise against the selected share of entries, on a logarithmic axis."""
    points = sorted(row["points"], key=lambda point: point["fraction"])
    fractions = [point["fraction"] for point in points]
    curves = tuple(_curve(measure, points, fractions) for measure in _measures_of(points[0]))
    x_ticks = tuple(Tick(_across(fraction, fractions), f"{100 * fraction:g}%") for fraction in fractions)
    y_ticks = tuple(Tick(_upright(value), f"{value:g}") for value in TICKS)
    name = f"{row['name']}: {' and '.join(curve.label for curve in curves)}"
    return Curves(name, WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM, curves, x_ticks, y_ticks)


def _curve(measure: str, points: Sequence[Mapping[str, Any]], fractions: Sequence[float]) -> Curve:
    label, method, marker = MEASURES[measure]
    marks = []
    for point in points:
        rate = rate_from(point[measure])
        if rate.value is not None:
            low, high = _upright(rate.low or 0.0), _upright(rate.high or 0.0)
            title = f"{label}, {point['fraction']:g} of the entries: {rate}"
            place = _across(point["fraction"], fractions)
            marks.append(Mark(place, _upright(rate.value), low, high, marker, method, title))  # pyright: ignore
    line = " ".join(f"{mark.x:.1f},{mark.y:.1f}" for mark in marks)
    return Curve(label, method, marker, line, tuple(marks))  # pyright: ignore


def _across(fraction: float, fractions: Sequence[float]) -> float:
    first, last = math.log(min(fractions)), math.log(max(fractions))
    share = (math.log(fraction) - first) / (last - first) if last > first else 0.5
    return LEFT + 16 + (RIGHT - LEFT - 32) * share


def _upright(value: float) -> float:
    return BOTTOM - (BOTTOM - TOP) * value
