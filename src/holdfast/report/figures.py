"""Computes the geometry of the page's figures, which templates/*.svg.j2 draw.

The figures are SVG written by hand. Plotly's smallest offline bundle is 4.8 MB of script. The page has 0.2 MB, prints
sharply, and follows light and dark mode by style alone. It contains no script: its content policy forbids scripts, so
that a model's response could not run even if escaping failed.
Lengths are in units of the viewBox, and every figure is 400 wide.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from holdfast.outcomes import Rate
from holdfast.report.layer_grid import RELATIVE
from holdfast.report.records import Component

WIDTH = 400
MOST_ACROSS = 16
"""Largest number of layers that a heat map shows as columns. With more, layers are rows."""
LEAST_WIDTH = 15.0
"""Smallest width of a cell that a reader can point at."""
NUMBER_WIDTH = 29
"""Smallest width of a cell that holds a number."""
WIDE = 45
"""Smallest width of a cell that holds its number in larger letters on a phone."""
LOW = 18.0
"""Height of a row when layers are rows."""
CHARACTER = 7.0
"""Largest width of a character of a label."""
BAR_LABEL = 44.0
"""Width that the number beside a bar takes."""
TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Tick:
    """A grid line with its label."""

    at: float
    """Place along the axis, in units of the figure."""
    label: str


@dataclass(frozen=True)
class Cell:
    """One layer and component of a heat map."""

    x: float
    y: float
    label: str
    strength: float
    """Strength of the cell's colour, in [0, 1]."""
    title: str
    share: float = 0.0
    """Value of the cell divided by the largest value, in [0, 1]."""
    is_below: bool = False
    """Tells whether a density is below that of the whole, which has another colour."""

    @property
    def opacity(self) -> float:
        """Opacity of the cell's colour, in [0, 1]. A cell without selected entries keeps a little."""
        return opacity(self.strength)


class Shown(NamedTuple):
    """A number of a map's legend, with its colour."""

    number: str
    opacity: float
    is_below: bool = False
    """Tells whether it is a density below that of the whole, which has another colour."""


@dataclass(frozen=True)
class Figure:
    """A figure of the page."""

    name: str
    width: float
    height: float


@dataclass(frozen=True)
class Plot(Figure):
    """A figure with axes around an area."""

    left: float
    """Left edge of the area. The four edges are in units of the figure."""
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class Grid(Figure):
    """A figure of coloured cells in named columns and rows."""

    cell_width: float
    cell_height: float
    columns: tuple[Tick, ...]
    rows: tuple[Tick, ...]
    most: str
    """Value that the strongest colour stands for, and a second value in words."""
    largest: float
    """Largest number of all cells, which has the strongest colour."""


@dataclass(frozen=True)
class HeatMap(Grid):
    """Heat map of layers and components. Either are the columns."""

    kind: "MapKind"
    cells: tuple[Cell, ...]
    goes_down: bool = False
    """Tells whether layers are rows, so that many of them fit the page's width."""
    is_upright: bool = False
    """Tells whether the names of the columns are turned upright."""

    @property
    def meaning(self) -> str:
        """Explains the number of a cell in a sentence."""
        has_blank = self.kind == "share" and self.has_numbers and any(not cell.label for cell in self.cells)
        return MAP_MEANINGS[self.kind].format(units="weights") + (BLANK if has_blank else "")

    @property
    def has_numbers(self) -> bool:
        """Tells whether the cells are wide enough to hold their numbers."""
        return self.is_bars or self.cell_width >= NUMBER_WIDTH

    @property
    def has_wide_cells(self) -> bool:
        """Tells whether the numbers fit their cells in larger letters, which a phone shows."""
        return self.cell_width >= WIDE

    @property
    def unit(self) -> str:
        """Names what the numbers are, for the legend."""
        return MAP_LEGENDS[self.kind]

    @property
    def scale(self) -> tuple[Shown, ...]:
        """Numbers of the legend from 0 to the largest, in the colours that the map gives them."""
        if self.kind == "share":
            values = [self.largest * step**2 for step in SCALE_STEPS]
        else:
            above = [self.largest**step for step in SCALE_STEPS[2:]] if self.largest > 1 else []
            values = [0.0, 0.5, 1.0, *above]
        times, sign = (100, "%") if self.kind == "share" else (1, "")
        return tuple(
            Shown(f"{number_text(times * value)}{sign}", opacity(abs(signed)), signed < 0)
            for value in values
            for signed in [strength(value, self.largest, self.kind)]
        )

    @property
    def is_bars(self) -> bool:
        """Tells whether the cells are bars, as long as their numbers: one component over many layers."""
        return self.goes_down and len(self.columns) == 1

    @property
    def bar_room(self) -> float:
        """Length of the longest bar, which leaves room for the numbers."""
        return self.cell_width - BAR_LABEL


@dataclass(frozen=True)
class Mark:
    """Marker of a rate with its interval. `low` and `high` are the ends of the whisker."""

    x: float
    y: float
    low: float
    high: float
    marker: str
    method: str
    title: str


@dataclass(frozen=True)
class Curve:
    """Curve of one arm over the noise ratios."""

    label: str
    method: str
    marker: str
    points: str
    """Points of the line, as SVG's polyline takes them."""
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class Curves(Plot):
    """Figure of a rate against the noise ratio, with upright whiskers."""

    curves: tuple[Curve, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    range_words: str = ""
    """Range of the upright axis in words, if it is not 0 to 1."""


MapKind = Literal["share", "relative"]
MAP_NAMES: Mapping[MapKind, str] = {
    "share": "Share of the selection",
    "relative": "Density relative to the whole",
}
MAP_UNITS: Mapping[MapKind, str] = {
    "share": "of the selection",
    "relative": "times the density of the whole",
}
MAP_MEANINGS: Mapping[MapKind, str] = {
    "share": "All cells add up to 100%. Large matrices hold more.",
    "relative": RELATIVE,
}
LEAST_SHARE = 0.0005
"""Smallest share whose number a cell shows, in percent with one decimal."""
BLANK = " A blank cell holds less than 0.05%."
MAP_LEGENDS: Mapping[MapKind, str] = {
    "share": "the share of the selection",
    "relative": "multiples of a random choice, orange below 1",
}
BELOW = 0.4
"""Strength of the colour of a density of 0."""
SCALE_STEPS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Strengths of colour that the legend of a map shows."""


def number_text(number: float) -> str:
    """Writes a number of a legend in two digits, or in whole numbers from 10 on: '0.18', '2.5' or '1,200'."""
    return f"{number:,.0f}" if number >= 10 else f"{number:.2g}"


def opacity(strength: float) -> float:
    """Computes the opacity of a colour of this strength, so that the weakest still shows."""
    return round(0.05 + 0.95 * strength, 3)


def strength(value: float, most: float, kind: "MapKind" = "share") -> float:
    """Computes the strength of a cell's colour, so that one large cell leaves the others visible.

    A share has sqrt(value / most), in [0, 1]. A relative density above 1 has log(value) / log(most), in [0, 1]. One
    below 1 has a negative strength, from 0 down to -BELOW for a density of 0, and another colour.
    """
    if not most:
        return 0.0
    if kind == "share":
        return (value / most) ** 0.5
    if value < 1:
        return -BELOW * (1 - value)
    return math.log(value) / math.log(most) if most > 1 else 0.0


def heat_map(components: Sequence[Component], kind: MapKind) -> HeatMap:
    """Draws a number of each layer and component as a map. Layers are columns, or rows if there are many.

    Kind `share` is the component's share of the selection. `relative` is the selected share of its entries, divided by
    that share of all entries.
    """
    words = list(dict.fromkeys(part.component for part in components))
    layers = sorted({part.layer for part in components}, key=lambda layer: -1 if layer is None else layer)
    names = ["none" if layer is None else str(layer) for layer in layers]
    across = _Lattice(names, words)
    goes_down = len(layers) > MOST_ACROSS or across.width < LEAST_WIDTH
    lattice = _Lattice(words, names, row_height=LOW) if goes_down else across
    values = _map_values(components, kind)
    most = max(values, default=0.0)
    cells = []
    for part, value in zip(components, values, strict=True):
        layer, word = layers.index(part.layer), words.index(part.component)
        place = lattice.at(word, layer) if goes_down else lattice.at(layer, word)
        label = _percent(value) if kind == "share" else f"{value:.1f}"
        signed, title = strength(value, most, kind), _cell_title(part, value, kind)
        cells.append(Cell(*place, label, abs(signed), title, value / most if most else 0.0, signed < 0))
    return HeatMap(
        MAP_NAMES[kind],
        WIDTH,
        lattice.height,
        lattice.width,
        lattice.row_height,
        lattice.columns,
        lattice.rows,
        f"{most:.3g}, half that colour: {most / 4:.2g}",
        most,
        kind,
        tuple(cells),
        goes_down,
        lattice.is_upright,
    )


@dataclass(frozen=True)
class _Lattice:
    """Computes the places of a heat map's cells, across the width of a figure."""

    across: Sequence[str]
    down: Sequence[str]
    row_height: float = 26.0
    top = 6.0

    @property
    def left(self) -> float:
        """Left edge of the cells, right of the names of the rows."""
        return 12 + CHARACTER * max(map(len, self.down), default=0)

    @property
    def width(self) -> float:
        """Width of a cell."""
        return (WIDTH - self.left) / max(1, len(self.across))

    @property
    def longest(self) -> float:
        """Width of the longest name of a column."""
        return CHARACTER * max(map(len, self.across), default=0)

    @property
    def is_upright(self) -> bool:
        """Tells whether the names of the columns are too long to fit side by side."""
        return self.longest > self.width

    @property
    def height(self) -> float:
        """Height of the map with the names of its columns and of its axis."""
        return self.top + self.row_height * len(self.down) + (self.longest + 8 if self.is_upright else 36)

    @property
    def columns(self) -> tuple[Tick, ...]:
        """Middle of every column, with its name."""
        return tuple(Tick(self.left + self.width * (at + 0.5), name) for at, name in enumerate(self.across))

    @property
    def rows(self) -> tuple[Tick, ...]:
        """Middle of every row, with its name."""
        return tuple(Tick(self.top + self.row_height * (at + 0.5), name) for at, name in enumerate(self.down))

    def at(self, column: int, row: int) -> tuple[float, float]:
        """Returns the upper left corner of a cell."""
        return self.left + self.width * column, self.top + self.row_height * row


def _cell_title(part: Component, value: float, kind: MapKind) -> str:
    return (
        f"layer {part.layer}, {part.component}: {part.selected:,} of {part.entries:,} entries selected, "
        f"{value:.4f} {MAP_UNITS[kind]}"
    )


def _map_values(components: Sequence[Component], kind: MapKind) -> list[float]:
    """Computes the numbers that the cells show."""
    selected, entries = sum(part.selected for part in components) or 1, sum(part.entries for part in components) or 1
    if kind == "share":
        return [part.selected / selected for part in components]
    return [part.selected / part.entries / (selected / entries) for part in components]


def numbers_of(rates: Sequence[Rate]) -> list[float]:
    """Lists the known values and ends of intervals of these rates."""
    return [number for rate in rates for number in (rate.value, rate.low, rate.high) if number is not None]


def _percent(value: float) -> str:
    """Writes '0.7%' or '12%', or nothing below 0.05%, to keep the map readable. The table has all numbers."""
    return f"{value:.{1 if value < 0.0995 else 0}%}" if value >= LEAST_SHARE else ""
