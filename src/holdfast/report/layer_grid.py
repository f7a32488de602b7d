"""Densities by layer and component as a table of text, for terminals and for pages. Needs no torch.

Layers go down and components across. The last columns add up a row: its density, its share of the chosen weights, their
count, and their mean score or change. The last rows add up the columns.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from holdfast.models.by_layer import ByLayer, Part, density, grouped, joined
from holdfast.models.paths import short_names

COLUMNS = 9
"""Components that have a column of their own in a terminal; others share the last one."""
MEANING = (
    "Each cell is the share of weights counted there, divided by that share of the whole model: 2 is twice the "
    "average, 1 is the average, which a random choice gives, and 0 is none."
)
NAMED = 3
"""Layers that a sentence names."""


@dataclass(frozen=True)
class Grid:
    """A table of text."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    totals: tuple[tuple[str, ...], ...]
    """Its last rows."""


def layer_grid(found: ByLayer, columns: int | None = None, *, without_empty: bool = False) -> Grid:
    """Lays out the densities.

    Args:
        found: the counts.
        columns: components beyond so many share the last column.
        without_empty: leaves out rows where nothing is chosen; the totals are those of all.
    """
    titles = _titles(found.inside, columns)
    header = ("layer", *dict.fromkeys(titles.values()), *_end_names(found))
    by_layer = grouped(found.inside, lambda part: part.layer)
    shown = {layer: parts for layer, parts in by_layer.items() if joined(parts).chosen or not without_empty}
    rows = [(str(layer), *_row(found, parts, titles)) for layer, parts in shown.items()]
    outside = [part for part in found.parts if part.layer is None]
    names = short_names(part.component for part in outside)
    blank = [""] * len(set(titles.values()))
    outside = [part for part in outside if part.chosen or not without_empty]
    rows += [(names[part.component] or "none", *blank, *_ends(found, [part])) for part in outside]
    return Grid(header, tuple(rows), _totals(found, titles))


def densest(found: ByLayer) -> str:
    """Names the densest layers and the densest component in a sentence; empty where nothing is chosen in any layer."""
    if not any(part.chosen for part in found.inside):
        return ""
    layers = _ranked(found, grouped(found.inside, lambda part: str(part.layer)))
    components = _ranked(found, grouped(found.inside, lambda part: part.component))
    return f"Densest layers: {', '.join(layers[:NAMED])}; densest component: {components[0]}."


def times(value: float | None) -> str:
    """'1.02', '12.3' or '120': how many times as dense, in three digits; empty where that is not known."""
    return "" if value is None else three_digits(value)


def three_digits(value: float) -> str:
    """'1.02', '12.3' or '120': a number above 1 without an exponent."""
    return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f}"


def _ranked(found: ByLayer, members: dict[str, list[Part]]) -> list[str]:
    """Names with their relative densities, the densest first."""
    parts = {name: joined(of) for name, of in members.items()}
    ordered = sorted((name for name in parts if parts[name].chosen), key=lambda name: -density(parts[name]))
    return [f"{name} ({times(found.relative_density(parts[name]))})" for name in ordered]


def _titles(inside: Sequence[Part], columns: int | None) -> dict[str, str]:
    """The title of the column of every component, in the order of their paths, so that neighbours stay together."""
    members = grouped(sorted(inside, key=lambda part: part.component), lambda part: part.component)
    names = {path: name or "weight" for path, name in short_names(members).items()}
    if columns is None or len(members) <= columns:
        return names
    largest = sorted(members, key=lambda path: -joined(members[path]).entries)[: columns - 1]
    others = f"{len(members) - len(largest)} others"
    own = {path: names[path] for path in members if path in largest}
    return own | {path: others for path in members if path not in own}


def _end_names(found: ByLayer) -> tuple[str, ...]:
    return ("all", "share", found.chosen, *([f"mean {found.mean}"] if found.mean else []))


def _row(found: ByLayer, parts: Sequence[Part], titles: dict[str, str]) -> tuple[str, ...]:
    return (*_cells(found, parts, titles), *_ends(found, parts))


def _cells(found: ByLayer, parts: Sequence[Part], titles: dict[str, str]) -> list[str]:
    members = grouped(parts, lambda part: titles[part.component])
    parts_of = {title: joined(members.get(title, ())) for title in dict.fromkeys(titles.values())}
    return [times(found.relative_density(part)) for part in parts_of.values()]


def _ends(found: ByLayer, parts: Iterable[Part]) -> list[str]:
    part = joined(parts)
    mean = found.mean_of(part)
    means = ["" if mean is None else f"{mean:.2e}"] if found.mean else []
    return [times(found.relative_density(part)), f"{found.share(part):.1%}", f"{part.chosen:,}", *means]


def _totals(found: ByLayer, titles: dict[str, str]) -> tuple[tuple[str, ...], ...]:
    """The density of every column, and its share of the chosen weights."""
    members = grouped(found.inside, lambda part: titles[part.component])
    shares = [f"{found.share(joined(members[title])):.1%}" for title in dict.fromkeys(titles.values())]
    blank = [""] * len(_end_names(found))
    return ("all", *_cells(found, found.inside, titles), *_ends(found, found.parts)), ("share", *shares, *blank)
