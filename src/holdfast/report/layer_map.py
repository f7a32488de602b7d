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
from holdfast.report.figures import HeatMap, MapKind, heat_map
from holdfast.report.layer_grid import densest, layer_grid, meaning
from holdfast.report.page import environment
from holdfast.report.records import Component
from holdfast.report.tables import NumberTable, component_table

HEADINGS = {
    "mask": "Where this mask selects {units}",
    "scores": "Where the largest scores of {units} lie",
    "patch": "Where this patch changes {units}",
}
"""Heading of the page, by kind of file."""
METHOD = "top"
"""Look whose colour the maps have."""
LONGEST = 40
"""Largest number of characters of a name beside a map."""
LETTER = 6.2
"""Width of a letter of small text."""
NARROWEST = 60
"""Smallest number of letters in a line of small text below a map, even if the map is narrower."""


CAUTION = (
    "Dense places are those on whose weights the scored quantity depends most. This map alone does not say that safety "
    "lies there. Compare it with a map of scores of harmless prompts, and put noise on the mask and on a random one "
    "with `holdfast verify`. How far two halves of the prompts agree, `holdfast score` prints."
)
"""What a map of scores or of a mask is no evidence of."""


def map_figure(title: str, counts: ByLayer, rows: Sequence[tuple[str, str]] = ()) -> str:
    """Draws the densities relative to the whole as SVG for papers, in light colours, with facts on the file below."""
    figure = heat_map(_shown_short(counts), "relative")
    known = [f"{name}: {printable(text)}" for name, text in rows]
    letters = max(NARROWEST, int(figure.width / LETTER))
    notes = tuple(line for text in (meaning(counts), *known) for line in wrap(text, letters))
    width = max(figure.width, LETTER * max(len(title), *map(len, notes)))
    drawn = _draw(counts, "relative")
    return standalone(Drawing("map", figure.name, printable(title), drawn, width, figure.height, notes=notes))


def map_page(
    file_kind: str, title: str, counts: ByLayer, rows: Sequence[tuple[str, str]], model: str | None = None
) -> str:
    """Renders a page with maps of densities and shares, tables, and facts on the file. It has no script or requests.

    Args:
        file_kind: kind of the file, one of `HEADINGS`.
        title: sentence with the counted number and the total.
        counts: the weights of each layer and component.
        rows: facts on the file, by name.
        model: name of the model that the file was made for. None if the file does not say.
    """
    kinds: tuple[MapKind, ...] = ("relative",) if _shares_are_densities(counts) else ("relative", "share")
    maps = [_map(counts, kind) for kind in kinds] if counts.whole.chosen else []
    return environment().get_template("layer_map.html.j2").render(
        heading=HEADINGS[file_kind].format(units=counts.units),
        title=printable(title),
        model=printable(model or ""),
        densest=printable(densest(counts)),
        meaning=meaning(counts),
        caution=CAUTION if file_kind in ("scores", "mask") and dict(rows).get("selector") != "random" else "",
        maps=maps,
        grid=_grid_table(counts),
        table=_component_table(counts),
        rows=[(name, printable(text)) for name, text in rows],
        method=METHOD,
        markers=MARKERS,
        version=__version__,
    )  # fmt: skip


def _shares_are_densities(counts: ByLayer) -> bool:
    """True if all parts are of one component and one size, so that a second map would look like the first."""
    return len({(part.component, part.entries) for part in counts.parts}) == 1


def _map(counts: ByLayer, kind: MapKind) -> tuple[HeatMap, Markup, str]:
    """Makes a map, its drawing, and the sentences that explain its cells. Bars have no legend, so a sentence has it."""
    figure = heat_map(_shown_short(counts), kind)
    first = meaning(counts) if kind == "relative" else figure.meaning
    bars = f" The longest bar stands for {figure.largest:.3g}." if figure.is_bars else ""
    return figure, _draw(counts, kind), f"{first}{bars}"


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
