"""Draws the distribution of the scores and the cut of the selection, as a histogram on two logarithmic axes."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from holdfast.outcomes import Distribution
from holdfast.report.figures import WIDTH, Plot, Tick
from holdfast.report.tables import NumberTable

LEFT, TOP, RIGHT, BOTTOM = 36.0, 26.0, WIDTH - 12.0, 208.0
Place = Callable[[float], float]
LABELS = 7
"""Largest number of labels on the axis of scores."""


@dataclass(frozen=True)
class Bar:
    """Bar of one bin, or of the part of it on one side of the cut."""

    x: float
    width: float
    y: float
    selected: bool
    title: str


@dataclass(frozen=True)
class Histogram(Plot):
    """Histogram of entries by their score."""

    bars: tuple[Bar, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    cut: Tick | None
    note: str
    """Text on the entries that score 0, which a logarithmic axis cannot show."""


def histogram(record: Distribution | None) -> Histogram | None:
    """Draws the distribution of scores. None if there is none, or no score above 0."""
    if record is None or not record.counts:
        return None
    edges, counts, cut = record.bin_edges, record.counts, record.cut
    first, last = math.log10(edges[0]), math.log10(edges[-1])
    # The axis begins below 1, because a bin with one entry would otherwise have no height.
    lowest, highest = math.log10(0.6), math.log10(max(counts)) + 0.15

    def across(score: float) -> float:
        return LEFT + (RIGHT - LEFT) * (math.log10(score) - first) / (last - first)

    def upright(count: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * (math.log10(count) - lowest) / (highest - lowest)

    return Histogram(
        "Number of weights at each score",
        WIDTH,
        250,
        LEFT,
        TOP,
        RIGHT,
        BOTTOM,
        tuple(_bars(record, across, upright)),
        tuple(Tick(across(10.0**power), _power(power)) for power in _powers(first, last, LABELS)),
        tuple(Tick(upright(10.0**power), _power(power)) for power in _powers(0.0, highest, 5)),
        None if cut is None else Tick(min(max(across(cut), LEFT), RIGHT), f"cut at {cut:.3g}"),
        f"{record.zeros:,} more entries score 0" if record.zeros else "no entry scores 0",
    )


def _bars(record: Distribution, across: Place, upright: Place) -> Iterator[Bar]:
    """Yields a bar for each bin that holds entries, and two for the bin with the cut."""
    cut = record.cut
    for (low, high), count in zip(pairwise(record.bin_edges), record.counts, strict=True):
        between = [low, cut, high] if cut is not None and low < cut < high else [low, high]
        for start, end in pairwise(between if count else ()):
            title = f"{count:,} entries score {low:.2g} to {high:.2g}"
            yield Bar(
                across(start), across(end) - across(start), upright(count), cut is not None and start >= cut, title
            )


def distribution_table(record: Distribution) -> NumberTable:
    """Makes the table of the histogram: one row per bin, the entries that score 0 first."""
    edges = [f"{edge:.4g}" for edge in record.bin_edges]
    rows = [("0", "0", f"{record.zeros:,}")]
    rows += [(*bin, f"{count:,}") for bin, count in zip(pairwise(edges), record.counts, strict=True)]
    title = "Number of weights at each score" + (f", selected from {record.cut:.6g}" if record.cut is not None else "")
    return NumberTable(title, ("score from", "to", "entries"), tuple(rows), frozenset({0, 1, 2}))


def _powers(first: float, last: float, most: int) -> range:
    """Returns whole powers of ten from first to last, evenly spaced and at most `most` of them."""
    low, high = math.ceil(first - 1e-9), math.floor(last + 1e-9)
    return range(low, high + 1, max(1, math.ceil((high - low + 1) / most)))


def _power(power: int) -> str:
    return f"{10.0**power:g}" if -3 <= power <= 3 else f"1e{power}"
