"""How the selection is shared out among the experts of a mixture of experts: a map of layers by experts, its numbers.

share(l, e) = selected entries of expert e in layer l / all selected entries
density(l, e) = selected entries of expert e in layer l / its entries

Experts of one model have equal sizes, where share and density are one picture: it is drawn once, and both are told.
One path a shade keeps 80 layers of 128 experts at some tens of kilobytes, where a rectangle a cell would be megabytes.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import torch

from holdfast.report.figures import WIDTH, Tick
from holdfast.report.tables import NumberTable
from holdfast.values import Mask

if TYPE_CHECKING:
    from holdfast.models.sites import Site  # with all of transformers: the report of a comparison needs no model

Json = dict[str, Any]
SHADES = 16
LABELS = 12
"""Labels that stand beside each other on an axis."""
SHOWN = 100
"""Experts in the page's table; the file has all."""


@dataclass(frozen=True)
class Shade:
    """All cells of one strength, as one path in units of cells."""

    strength: float
    path: str


@dataclass(frozen=True)
class ExpertMap:
    """Layers across, experts down."""

    name: str
    width: float
    height: float
    left: float
    top: float
    cell_width: float
    cell_height: float
    num_columns: int
    num_rows: int
    shades: tuple[Shade, ...]
    columns: tuple[Tick, ...]
    rows: tuple[Tick, ...]
    most: str
    """What the full colour stands for."""


def expert_rows(mask: Mask, sites: Sequence["Site"]) -> list[Json]:
    """Per layer: the entries of one expert, and how many are selected of each; empty where no tensor stacks experts."""
    entries: dict[tuple[int | None, int], int] = defaultdict(int)
    selected: dict[tuple[int | None, int], torch.Tensor] = {}
    for site in sites:
        num_experts = site.layout.num_experts
        if site.name in mask.shapes and num_experts:
            place, size = (site.layer, num_experts), site.num_entries // num_experts
            counts = torch.bincount(mask[site.name] // size, minlength=num_experts)
            selected[place] = selected[place] + counts if place in selected else counts
            entries[place] += size
    return [
        {"layer": layer, "entries": entries[layer, count], "selected": selected[layer, count].tolist()}
        for layer, count in selected
    ]


def expert_map(section: Mapping[str, Any]) -> ExpertMap | None:
    """The map of a section of report.json; None for a model without experts."""
    records = section.get("by_expert", ())
    if not records:
        return None
    num_rows = max(len(record["selected"]) for record in records)
    densities = [[count / record["entries"] for count in record["selected"]] for record in records]
    most = max(map(max, densities))
    left, top = 40.0, 6.0
    width, height = (WIDTH - left) / len(records), min(18.0, max(1.5, 400 / num_rows))
    bottom = top + height * num_rows
    layers = [str(record["layer"]) for record in records]
    return ExpertMap(
        "Density within the expert",
        WIDTH,
        bottom + 36,
        left,
        top,
        width,
        height,
        len(records),
        num_rows,
        _shades(densities, most),
        tuple(Tick(left + width * (at + 0.5), layers[at]) for at in _spaced(len(records))),
        tuple(Tick(top + height * (at + 0.5), str(at)) for at in _spaced(num_rows)),
        f"{most:.3g}, {max(max(record['selected']) for record in records) / _whole(section):.3g} of the selection",
    )


def expert_table(section: Mapping[str, Any], shown: int | None = None) -> NumberTable:
    """One row a layer and expert: all in the order of the model, or so many of those that hold most."""
    records = section.get("by_expert", ())
    places = [(record, expert, count) for record in records for expert, count in enumerate(record["selected"])]
    title, whole = "Selected entries by layer and expert", None
    if shown is not None and shown < len(places):
        whole = expert_table(section)
        title += f", the {shown} of {len(places):,} that hold most"
        places = sorted(places, key=lambda place: -place[2])[:shown]
    rows = tuple(
        (
            "none" if record["layer"] is None else str(record["layer"]),
            str(expert),
            f"{count:,}",
            f"{record['entries']:,}",
            f"{count / _whole(section):.6f}",
            f"{count / record['entries']:.6f}",
        )
        for record, expert, count in places
    )
    header = ("layer", "expert", "selected", "entries", "share of selection", "density")
    return NumberTable(title, header, rows, frozenset(range(6)), whole)


def _whole(section: Mapping[str, Any]) -> int:
    """Entries of the whole selection, in experts or not; those in experts where that is not known."""
    return section.get("num_selected") or sum(sum(record["selected"]) for record in section["by_expert"]) or 1


def _shades(densities: Sequence[Sequence[float]], most: float) -> tuple[Shade, ...]:
    """Cells of equal shade that lie below each other are one rectangle; those without a selected entry are left out."""
    paths: dict[int, list[str]] = defaultdict(list)
    for column, values in enumerate(densities):
        row = 0
        for shade, run in groupby(math.ceil(SHADES * value / most) if most else 0 for value in values):
            length = len(list(run))
            if shade:
                paths[shade].append(f"M{column} {row}h1v{length}h-1z")
            row += length
    return tuple(Shade(shade / SHADES, "".join(paths[shade])) for shade in sorted(paths))


def _spaced(count: int) -> range:
    return range(0, count, 2 ** math.ceil(math.log2(max(1.0, count / LABELS))))
