"""Densities by layer and component as pictures: a figure that stands alone, and a page of its own."""

from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import Any

from markupsafe import Markup

from holdfast import __version__
from holdfast.models.by_layer import ByLayer
from holdfast.models.paths import short_names
from holdfast.printable import printable
from holdfast.report.arms import MARKERS
from holdfast.report.figure_files import Drawing, standalone
from holdfast.report.figures import MapKind, heat_map
from holdfast.report.layer_grid import MEANING, densest, layer_grid
from holdfast.report.page import environment
from holdfast.report.tables import NumberTable, component_table

METHOD = "top"
"""Whose colour the maps have."""
LONGEST = 40
"""Characters of a name beside a map."""
LETTER = 6.2
"""Width of a letter of small text."""
NARROWEST = 60
"""Letters of a line of small text below a map, where the map itself is narrower."""


def map_figure(title: str, found: ByLayer, rows: Sequence[tuple[str, str]] = ()) -> str:
    """The densities relative to the whole as SVG for papers, in light colours, with what is known of the file below."""
    figure = heat_map(_short_records(found), "relative")
    known = [f"{name}: {printable(text)}" for name, text in rows]
    letters = max(NARROWEST, int(figure.width / LETTER))
    notes = tuple(line for text in (MEANING, *known) for line in wrap(text, letters))
    width = max(figure.width, LETTER * max(len(title), *map(len, notes)))
    drawn = _draw(found, "relative")
    return standalone(Drawing("map", figure.name, printable(title), drawn, width, figure.height, notes=notes))


def map_page(title: str, found: ByLayer, rows: Sequence[tuple[str, str]]) -> str:
    """The same with shares, tables and what is known of the file, as a page without script or requests."""
    maps = [(heat_map(_short_records(found), kind), _draw(found, kind)) for kind in ("relative", "share")]
    return environment().get_template("layer_map.html.j2").render(
        title=printable(title),
        densest=printable(densest(found)),
        meaning=MEANING,
        maps=maps,
        grid=_grid_table(found),
        table=component_table({"by_component": _printable_records(found)}, found.chosen),
        rows=[(name, printable(text)) for name, text in rows],
        markers=MARKERS,
        version=__version__,
    )  # fmt: skip


def _draw(found: ByLayer, kind: MapKind) -> Markup:
    template: Any = environment().get_template("heat_map.svg.j2").module
    return template.heat_map(heat_map(_short_records(found), kind), METHOD)


def _grid_table(found: ByLayer) -> NumberTable:
    grid = layer_grid(found)
    rows = tuple(tuple(map(printable, row)) for row in (*grid.rows, *grid.totals))
    header = tuple(map(printable, grid.header))
    return NumberTable("Density by layer and component", header, rows, frozenset(range(1, len(header))))


def _printable_records(found: ByLayer) -> list[Mapping[str, Any]]:
    return [{**record, "component": printable(str(record["component"]))} for record in found.records()]


def _short_records(found: ByLayer) -> list[Mapping[str, Any]]:
    """The records with names that fit beside a map."""
    names = short_names(part.component for part in found.parts)
    return [{**record, "component": _clipped(names[str(record["component"])])} for record in found.records()]


def _clipped(name: str) -> str:
    """The end of a long name, which tells it from others."""
    shown = printable(name)
    return shown if len(shown) <= LONGEST else f"…{shown[-LONGEST:]}"
