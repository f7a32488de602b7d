"""Lays out densities by layer and component as a table of text, for terminals and pages. Needs no torch.

Layers go down and components across. The last columns add up a row: its density, its share of the chosen weights, their
count, and their mean score or change. The last rows add up the columns.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from holdfast.models.by_layer import ByLayer, Part, density, grouped, joined
from holdfast.models.paths import as_computed, short_names

RELATIVE = (
    "Each cell says how often {units} are counted there, beside a random choice of as many: 1 is as often, 2 is twice "
    "as often, and 0 is none."
)
"""Explains a cell of a table or map of relative densities."""
COLUMNS = 9
"""Largest number of columns for components in a terminal. Further components share the last column."""
NAMED = 3
"""Number of layers that the sentence on the densest layers names."""


@dataclass(frozen=True)
class Grid:
    """Table of text."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    totals: tuple[tuple[str, ...], ...]
    """Last rows of the table, which add up the columns."""


def layer_grid(
    counts: ByLayer, columns: int | None = None, *, without_empty: bool = False, most: int | None = None
) -> Grid:
    """Lays out the densities.

    Args:
        counts: the weights of each layer and component.
        columns: largest number of columns for components. Further components share the last one.
        without_empty: leaves out rows without a chosen weight. The totals still count them.
        most: largest number of layers. The densest ones are kept, in their order. The totals still count all.
    """
    titles = _titles(counts.inside, columns)
    header = ("layer", *dict.fromkeys(titles.values()), *_end_names(counts))
    by_layer = grouped(counts.inside, lambda part: part.layer)
    shown = {layer: parts for layer, parts in by_layer.items() if joined(parts).chosen or not without_empty}
    kept = sorted(shown, key=lambda layer: -density(joined(shown[layer])))[:most]
    rows = [(str(layer), *_row(counts, shown[layer], titles)) for layer in shown if layer in kept]
    outside = [part for part in counts.parts if part.layer is None]
    names = short_names(part.component for part in outside)
    blank = [""] * len(set(titles.values()))
    outside = [part for part in outside if part.chosen or not without_empty]
    rows += [(names[part.component] or "none", *blank, *_ends(counts, [part])) for part in outside]
    return Grid(header, tuple(rows), _totals(counts, titles))


def meaning(counts: ByLayer) -> str:
    """Explains the cells of the table in a sentence."""
    return RELATIVE.format(units=counts.units)


def densest(counts: ByLayer) -> str:
    """Names the densest layers and the densest component in a sentence, each where there are several.

    Empty if no layer has a chosen weight.
    """
    if not any(part.chosen for part in counts.inside):
        return ""
    layers = grouped(counts.inside, lambda part: str(part.layer))
    components = grouped(counts.inside, lambda part: part.component)
    parts = [f"Densest layers: {', '.join(_ranked(counts, layers)[:NAMED])}"] if len(layers) > 1 else []
    parts += [f"densest component: {_ranked(counts, components)[0]}"] if len(components) > 1 else []
    return f"{'; '.join(parts)}." if parts else ""


def times(value: float | None) -> str:
    """Writes a relative density in three digits: '1.02', '12.3' or '120'. Empty if it is unknown."""
    return "" if value is None else three_digits(value)


def three_digits(value: float) -> str:
    """Writes a number above 1 in three digits, without an exponent: '1.02', '12.3' or '120'."""
    return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f}"


def _ranked(counts: ByLayer, members: dict[str, list[Part]]) -> list[str]:
    """Lists names with their relative densities, the densest first."""
    parts = {name: joined(of) for name, of in members.items()}
    ordered = sorted((name for name in parts if parts[name].chosen), key=lambda name: -density(parts[name]))
    return [f"{name} ({times(counts.relative_density(parts[name]))})" for name in ordered]


def _titles(inside: Sequence[Part], columns: int | None) -> dict[str, str]:
    """Returns the column title of every component, in the order in which a model computes them."""
    members = grouped(sorted(inside, key=lambda part: as_computed(part.component)), lambda part: part.component)
    names = {path: name or "weight" for path, name in short_names(members).items()}
    if columns is None or len(members) <= columns:
        return names
    largest = sorted(members, key=lambda path: -joined(members[path]).entries)[: columns - 1]
    others = f"{len(members) - len(largest)} others"
    own = {path: names[path] for path in members if path in largest}
    return own | {path: others for path in members if path not in own}


def _has_one_column(counts: ByLayer) -> bool:
    """True if a single component makes up every row, as with neurons. Then a column for all would repeat its column."""
    return len({(part.layer is None, part.component) for part in counts.parts}) == 1


def _end_names(counts: ByLayer) -> tuple[str, ...]:
    every = () if _has_one_column(counts) else ("all",)
    return (*every, "share", counts.chosen, *([f"mean {counts.mean}"] if counts.mean else []))


def _row(counts: ByLayer, parts: Sequence[Part], titles: dict[str, str]) -> tuple[str, ...]:
    return (*_cells(counts, parts, titles), *_ends(counts, parts))


def _cells(counts: ByLayer, parts: Sequence[Part], titles: dict[str, str]) -> list[str]:
    members = grouped(parts, lambda part: titles[part.component])
    parts_of = {title: joined(members.get(title, ())) for title in dict.fromkeys(titles.values())}
    return [times(counts.relative_density(part)) for part in parts_of.values()]


def _ends(counts: ByLayer, parts: Iterable[Part]) -> list[str]:
    part = joined(parts)
    mean = counts.mean_of(part)
    means = ["" if mean is None else f"{mean:.2e}"] if counts.mean else []
    every = [] if _has_one_column(counts) else [times(counts.relative_density(part))]
    return [*every, f"{counts.share(part):.1%}", f"{part.chosen:,}", *means]


def _totals(counts: ByLayer, titles: dict[str, str]) -> tuple[tuple[str, ...], ...]:
    """Computes the last rows: the density of every column, and its share of the chosen weights."""
    members = grouped(counts.inside, lambda part: titles[part.component])
    shares = [f"{counts.share(joined(members[title])):.1%}" for title in dict.fromkeys(titles.values())]
    blank = [""] * len(_end_names(counts))
    return ("all", *_cells(counts, counts.inside, titles), *_ends(counts, counts.parts)), ("share", *shares, *blank)
