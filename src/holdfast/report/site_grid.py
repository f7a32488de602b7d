"""Counts a model's weights by layer and component, as a table of text. Layers with equal counts share a row."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from holdfast.models.paths import short_names
from holdfast.report.layer_grid import Grid, three_digits

if TYPE_CHECKING:
    from holdfast.models.sites import Site  # imports all of transformers

MEANING = (
    "A cell counts the weights of a component in one layer. Only matrices inside the layers are scored. "
    "--json has exact numbers."
)
Counts = Mapping[str, int]


def count_sites(sites: Iterable["Site"]) -> list[dict[str, object]]:
    """Counts weights per layer, component and role, in the model's order. Each record tells whether they are scored."""
    counted: Counter[tuple[int | None, str, str]] = Counter()
    for site in sites:
        counted[site.layer, site.component, site.role] += site.num_entries
    return [
        {"layer": layer, "component": component, "role": role, "entries": entries, "scored": role == "matrix"}
        for (layer, component, role), entries in counted.items()
    ]


def sites_grid(sites: Sequence["Site"]) -> Grid:
    """Makes the table: weights of each scored component by layer, weights scored and not scored, and totals last."""
    inside = [site for site in sites if site.layer is not None]
    components = list(dict.fromkeys(site.component for site in inside if site.role == "matrix"))
    layers = sorted({site.layer for site in sites if site.layer is not None})
    cells = {layer: _cells([site for site in inside if site.layer == layer], components) for layer in layers}
    alike = [(cell, list(members)) for cell, members in groupby(layers, key=lambda layer: cells[layer])]
    rows: list[tuple[str, ...]] = [(_named(members), *cell) for cell, members in alike]
    outside = [site for site in sites if site.layer is None]
    names = short_names(site.component for site in outside)
    rows += [(names[site.component], *_cells([site], components)) for site in outside]
    header = ("layer", *short_names(components).values(), "scored", "not scored")
    return Grid(header, tuple(rows), (("all", *_cells(sites, components)),))


def rounded(count: int) -> str:
    """Writes a count: '9,216', or in three digits from a million on: '3.54M', '1.88B'."""
    for size, letter in ((10**9, "B"), (10**6, "M")):
        if count >= size:
            return three_digits(count / size) + letter
    return f"{count:,}"


def _cells(sites: Sequence["Site"], components: Sequence[str]) -> tuple[str, ...]:
    counts: Counter[str] = Counter()
    for site in sites:
        counts[site.component if site.role == "matrix" else ""] += site.num_entries
    scored = [counts[component] for component in components]
    return tuple(rounded(count) if count else "" for count in (*scored, sum(scored), counts[""]))


def _named(layers: Sequence[int]) -> str:
    """Names layers in a row: '3', or '0 to 31'."""
    return str(layers[0]) if len(layers) == 1 else f"{layers[0]} to {layers[-1]}"
