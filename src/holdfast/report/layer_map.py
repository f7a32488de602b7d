"""Draws densities by layer and component as an SVG file, or as a page."""

from collections.abc import Callable, Sequence
from textwrap import wrap

from markupsafe import Markup

from holdfast import __version__
from holdfast.models.by_layer import ByLayer
from holdfast.models.paths import short_names
from holdfast.printable import printable
from holdfast.report.arms import MARKERS
from holdfast.report.figure_files import Drawing, draw, standalone
from holdfast.report.figures import MapKind, heat_map
from holdfast.report.layer_grid import densest, layer_grid, meaning
from holdfast.report.page import environment
from holdfast.report.records import Component
from holdfast.report.tables import NumberTable, component_table

METHOD = "top"
"""Look whose colour the maps have."""
LONGEST = 40
"""Largest number of characters of a name beside a map."""
LETTER = 6.2
"""Width of a letter of small text."""
NARROWEST = 60
"""Smallest number of letters in a line of small text below a map, even if the map is narrower."""


def map_figure(title: str, counts: ByLayer, rows: Sequence[tuple[str, str]] = ()) -> str:
    """Draws the densities relative to the whole as SVG for papers, in light colours, with facts on the file below."""
    figure = heat_map(_shown_short(counts), "relative")
    known = [f"{name}: {printable(text)}" for name, text in rows]
    letters = max(NARROWEST, int(figure.width / LETTER))
    notes = tuple(line for text in (meaning(counts), *known) for line in wrap(text, letters))
    width = max(figure.width, LETTER * max(len(title), *map(len, notes)))
    drawn = _draw(counts, "relative")
    return standalone(Drawing("map", figure.name, printable(title), drawn, width, figure.height, notes=notes))


def map_page(title: str, counts: ByLayer, rows: Sequence[tuple[str, str]]) -> str:
    """Renders a page with maps of densities and shares, tables, and facts on the file. It has no script or requests."""
    maps = [(heat_map(_shown_short(counts), kind), _draw(counts, kind)) for kind in ("relative", "share")]
    return environment().get_template("layer_map.html.j2").render(
        title=printable(title),
        densest=printable(densest(counts)),
        meaning=meaning(counts),
        maps=maps,
        grid=_grid_table(counts),
        table=_component_table(counts),
        rows=[(name, printable(text)) for name, text in rows],
        markers=MARKERS,
        version=__version__,
    )  # fmt: skip


def _draw(counts: ByLayer, kind: MapKind) -> Markup:
    return draw("heat_map", heat_map(_shown_short(counts), kind), METHOD)


def _grid_table(counts: ByLayer) -> NumberTable:
    grid = layer_grid(counts)
    rows = tuple(tuple(map(printable, row)) for row in (*grid.rows, *grid.totals))
    header = tuple(map(printable, grid.header))
    return NumberTable("Density by layer and component", header, rows, frozenset(range(1, len(header))))


def _component_table(counts: ByLayer) -> NumberTable:
    return component_table(
        _components(counts, printable), counts.chosen, f"mean {counts.mean}" if counts.mean else None
    )


def _shown_short(counts: ByLayer) -> list[Component]:
    """Returns the parts with names that fit beside a map."""
    names = short_names(part.component for part in counts.parts)
    return _components(counts, lambda name: _clipped(names[name]))


def _components(counts: ByLayer, name: Callable[[str], str]) -> list[Component]:
    return [
        Component(part.layer, name(part.component), part.chosen, part.entries, counts.mean_of(part))
        for part in counts.parts
    ]


def _clipped(name: str) -> str:
    """Shortens a long name to its end, which tells it from other names."""
    shown = printable(name)
    return shown if len(shown) <= LONGEST else f"…{shown[-LONGEST:]}"
