"""Renders a bakeoff as one page: a table of the contestants, and for each a figure of safety and utility."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from holdfast.counts import agreeing
from holdfast.json_files import JsonValue, record_from
from holdfast.outcomes import Rate, SafetyMeasure, Stability
from holdfast.report.arms import MARKERS
from holdfast.report.figures import TICKS, Curve, Curves, Mark, Tick
from holdfast.report.page import environment
from holdfast.report.safety import NAMES
from holdfast.report.schema import with_ends
from holdfast.report.tables import NumberTable

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 260.0, 178.0, 34.0, 10.0, 250.0, 138.0
NO_PROMPTS = "uses no prompts"
MEASURES = {
    "asr": ("attack success", "top", "circle"),
    "not_refused": ("not refused", "top", "circle"),
    "utility": ("utility", "bottom", "square"),
}
"""Label, colour and marker of each curve. A figure has two: a measure of safety, and utility."""


@dataclass(frozen=True)
class NoisePoint:
    """Safety and utility under noise on a selection of one size."""

    fraction: float
    """Share of the scored weights that is selected, in (0, 1)."""
    utility: Rate
    asr: Rate | None = None
    not_refused: Rate | None = None

    @cached_property
    def rates(self) -> Mapping[str, Rate]:
        """Rates by measure, in the order of the table."""
        known = {"asr": self.asr, "not_refused": self.not_refused, "utility": self.utility}
        return {measure: rate for measure, rate in known.items() if rate is not None}


@dataclass(frozen=True)
class Row:
    """Results of a contestant."""

    name: str
    seconds: float
    """Time to score, in seconds."""
    predicts: float | None
    """Rank correlation of predicted and measured changes of safety."""
    halves: Stability | None
    """None where the score uses no prompts."""
    seeds: tuple[Stability, ...]
    with_first: Stability
    """Stability with the first contestant's selection."""
    points: tuple[NoisePoint, ...]
    predicts_low: float | None = None
    predicts_high: float | None = None


@dataclass(frozen=True)
class Settings:
    """Settings that the page names."""

    model: str
    judge: str
    fractions: tuple[float, ...]
    """Shares of the scored weights that are selected, the one of the table first."""
    noise_ratio: float
    """Standard deviation of the noise, in standard deviations of each matrix."""
    draws: int
    """Number of draws of noise on each selection."""
    group_noise_ratio: float
    """Noise on the groups of weights whose predicted and measured effects are compared."""
    group_draws: int


@dataclass(frozen=True)
class Overlap:
    """Evaluation prompts that nearly repeat a calibration prompt."""

    near_duplicates: int
    """Evaluation prompts that share nearly all words with a calibration prompt."""
    evaluation_prompts: int

    @property
    def warning(self) -> str:
        """A sentence on near duplicates. Empty where there are none."""
        if not self.near_duplicates:
            return ""
        verb = agreeing(self.near_duplicates, "is a near duplicate", "are near duplicates")
        return (
            f"{self.near_duplicates} of {self.evaluation_prompts} evaluation prompts {verb} of calibration prompts, so "
            "the rates are worth fewer prompts than n says."
        )


@dataclass(frozen=True)
class Bakeoff:
    """A bakeoff, complete or not."""

    config: Settings
    num_groups: int
    """Groups of weights behind each rank correlation."""
    rows: tuple[Row, ...]
    overlap: Overlap | None = None
    """Near duplicates of calibration prompts. None in older files."""

    @property
    def safety(self) -> SafetyMeasure:
        """The measure of safety that the contestants report."""
        return "not_refused" if any(row.points[0].not_refused for row in self.rows) else "asr"


def read_bakeoff(content: Mapping[str, JsonValue]) -> Bakeoff:
    """Makes the record of a bakeoff from bakeoff.json."""
    return record_from(Bakeoff, content)


def render_bakeoff(result: Bakeoff) -> str:
    """Renders the page of a bakeoff, complete or not. Equal results give equal pages."""
    return environment().get_template("bakeoff.html.j2").render(
        result=result,
        safety=NAMES[result.safety],
        markers=MARKERS,
        table=bakeoff_table(result),
        near=result.overlap.warning if result.overlap else "",
        figures=[(row.name, size_curves(row)) for row in result.rows],
        legend_curves=size_curves(result.rows[0]).curves if result.rows else (),
    )  # fmt: skip


def bakeoff_table(result: Bakeoff) -> NumberTable:
    """Makes the table of contestants: one row each with its cost, predictions, agreement, and the effect of noise."""
    fraction = result.config.fractions[0]
    safety = {"asr": "ASR", "not_refused": "not refused"}[result.safety]
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
    rows = tuple(_table_row(row) for row in result.rows)
    return NumberTable("Contestants at one budget", header, rows, frozenset(range(1, len(header))))


def _table_row(row: Row) -> tuple[str, ...]:
    halves = row.halves
    return (
        row.name,
        f"{row.seconds:.1f}",
        with_ends(row.predicts, row.predicts_low, row.predicts_high, ".2f"),
        with_ends(halves.rank_correlation, halves.rank_low, halves.rank_high, ".2f") if halves else NO_PROMPTS,
        _overlap(halves) if halves else NO_PROMPTS,
        ", ".join(map(_iou, row.seeds)) or "not asked",
        _overlap(row.with_first),
        *map(str, row.points[0].rates.values()),
    )


def _iou(agreement: Stability) -> str:
    return with_ends(agreement.iou, agreement.iou_low, agreement.iou_high, ".2f")


def _overlap(agreement: Stability) -> str:
    return f"{_iou(agreement)} ({agreement.random_iou:.3f})"


def size_curves(row: Row) -> Curves:
    """Draws safety and utility under noise against the selected share of entries, on a logarithmic axis."""
    points = sorted(row.points, key=lambda point: point.fraction)
    fractions = [point.fraction for point in points]
    curves = tuple(_curve(measure, points, fractions) for measure in points[0].rates)
    x_ticks = tuple(Tick(_across(fraction, fractions), f"{100 * fraction:g}%") for fraction in fractions)
    y_ticks = tuple(Tick(_upright(value), f"{value:g}") for value in TICKS)
    name = f"{row.name}: {' and '.join(curve.label for curve in curves)}"
    return Curves(name, WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM, curves, x_ticks, y_ticks)


def _curve(measure: str, points: Sequence[NoisePoint], fractions: Sequence[float]) -> Curve:
    label, method, marker = MEASURES[measure]
    marks = []
    for point in points:
        rate = point.rates[measure]
        if rate.value is not None:
            low, high = _upright(rate.low or 0.0), _upright(rate.high or 0.0)
            title = f"{label}, {point.fraction:g} of the entries: {rate}"
            marks.append(
                Mark(_across(point.fraction, fractions), _upright(rate.value), low, high, marker, method, title)
            )
    line = " ".join(f"{mark.x:.1f},{mark.y:.1f}" for mark in marks)
    return Curve(label, method, marker, line, tuple(marks))


def _across(fraction: float, fractions: Sequence[float]) -> float:
    first, last = math.log(min(fractions)), math.log(max(fractions))
    share = (math.log(fraction) - first) / (last - first) if last > first else 0.5
    return LEFT + 16 + (RIGHT - LEFT - 32) * share


def _upright(value: float) -> float:
    return BOTTOM - (BOTTOM - TOP) * value
