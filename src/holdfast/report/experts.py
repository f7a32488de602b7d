"""Maps the selection of a mixture of experts by layer and expert, and lists its numbers.

share(l, e) = selected entries of expert e in layer l / all selected entries
density(l, e) = selected entries of expert e in layer l / its entries

Experts of one model have equal sizes, so that share and density give the same picture. One map shows both, with both
numbers. One path per shade keeps 80 layers of 128 experts at tens of kilobytes. A rectangle per cell would take
megabytes.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import torch

from holdfast.json_files import JsonObject
from holdfast.report.figures import SCALE_STEPS, WIDTH, Grid, Shown, Tick, number_text
from holdfast.report.records import Selection
from holdfast.report.tables import NumberTable
from holdfast.values import Mask

if TYPE_CHECKING:
    from holdfast.models.sites import Site  # imports all of transformers, which a comparison does not need

SHADES = 16
LABELS = 12
"""Largest number of labels on an axis."""
SHOWN = 100
"""Number of experts in the page's table. The CSV file lists all."""


@dataclass(frozen=True)
class Shade:
    """All cells of one strength, drawn as one path in units of cells."""

    strength: float
    path: str


@dataclass(frozen=True)
class ExpertMap(Grid):
    """Map with layers across and experts down. The strongest colour stands for a density and a share of the whole."""

    left: float
    top: float
    num_columns: int
    num_rows: int
    shades: tuple[Shade, ...]

    @property
    def scale(self) -> tuple[Shown, ...]:
        """Numbers of the legend from 0 to the largest, in the colours that the map gives them."""
        return tuple(Shown(number_text(self.largest * step), max(0.05, step)) for step in SCALE_STEPS)


def expert_rows(mask: Mask, sites: Sequence["Site"]) -> list[JsonObject]:
    """Counts per layer the entries of an expert and the selected ones of each. Empty if no tensor stacks experts."""
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


def expert_map(selection: Selection) -> ExpertMap | None:
    """Draws the map of a selection. None for a model without experts."""
    records = selection.by_expert
    if not records:
        return None
    num_rows = max(len(record.selected) for record in records)
    densities = [[count / record.entries for count in record.selected] for record in records]
    most = max(map(max, densities))
    left, top = 40.0, 6.0
    width, height = (WIDTH - left) / len(records), min(18.0, max(1.5, 400 / num_rows))
    bottom = top + height * num_rows
    layers = [str(record.layer) for record in records]
    return ExpertMap(
        "Density within the expert",
        WIDTH,
        bottom + 36,
        width,
        height,
        tuple(Tick(left + width * (at + 0.5), layers[at]) for at in _spaced(len(records))),
        tuple(Tick(top + height * (at + 0.5), str(at)) for at in _spaced(num_rows)),
        f"{most:.3g}, {max(max(record.selected) for record in records) / _whole(selection):.3g} of the selection",
        most,
        left,
        top,
        len(records),
        num_rows,
        _shades(densities, most),
    )


def expert_table(selection: Selection, shown: int | None = None) -> NumberTable:
    """Makes the table, one row per layer and expert. With `shown`, it lists only that many experts that hold most."""
    places = [(row, expert, count) for row in selection.by_expert for expert, count in enumerate(row.selected)]
    title, whole = "Selected entries by layer and expert", None
    if shown is not None and shown < len(places):
        whole = expert_table(selection)
        title += f", the {shown} of {len(places):,} that hold most"
        places = sorted(places, key=lambda place: -place[2])[:shown]
    rows = tuple(
        (
            "none" if row.layer is None else str(row.layer),
            str(expert),
            f"{count:,}",
            f"{row.entries:,}",
            f"{count / _whole(selection):.6f}",
            f"{count / row.entries:.6f}",
        )
        for row, expert, count in places
    )
    header = ("layer", "expert", "selected", "entries", "share of selection", "density")
    return NumberTable(title, header, rows, frozenset(range(6)), whole)


def _whole(selection: Selection) -> int:
    """Counts the entries of the whole selection. If the report has no count, it counts those in experts."""
    return selection.num_selected or sum(sum(row.selected) for row in selection.by_expert) or 1


def _shades(densities: Sequence[Sequence[float]], most: float) -> tuple[Shade, ...]:
    """Draws one path per shade. Equal cells below each other form one rectangle, and empty cells are left out."""
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
