"""`holdfast combine`."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import combinations
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, Token
from cyclopts.validators import Number
from rich.table import Table

from holdfast.artifacts import load_mask
from holdfast.commands.console import Json, show, table, unless_quiet
from holdfast.commands.layers import OVER_MATRICES
from holdfast.commands.masks import mask_json, mask_table, origin_table
from holdfast.endings import require_ending
from holdfast.models.paths import by_layer, layer_and_path
from holdfast.pipeline.masks import combine_masks
from holdfast.select.algebra import OPERATORS, EmptyResultError, Operation, random_iou
from holdfast.select.overlap import Overlap, overlap
from holdfast.spelling import meant
from holdfast.values import Mask, refuse_unlike

OVERLAPS = ("iou", "jaccard", "overlap", "dice")
"""Words for how far masks overlap, which are no operation."""
SHOWN = 12
"""Most components that the terminal shows."""
PART_KEYS = ("layer", "component", "iou", "random_iou")
"""Keys of the overlap in a component, in JSON."""
OverlapOfTwo = tuple[str, str, Overlap]
"""Paths of two masks, and how far they overlap."""


def _operation(kind: object, tokens: Sequence[Token]) -> str:
    """Reads an operation. Raises ValueError for a measure of overlap, which every operation prints."""
    given = tokens[0].value
    if given not in OPERATORS:
        iou = "; intersection prints the IoU of the masks" if given.lower() in OVERLAPS else ""
        raise ValueError(f"{given!r} is no operation; {meant(given, OPERATORS)}{iou}.")
    return given


def combine(
    operation: Annotated[Operation, Parameter(converter=_operation)],
    *masks: Path,
    out: Path | None = None,
    trim: Path | None = None,
    fraction: Annotated[float | None, Parameter(validator=Number(gt=0, lt=1))] = None,
    json: Json = False,
) -> None:
    """Join masks by union, intersection or difference, or only print how far they overlap.

    Example: holdfast combine intersection first.safetensors second.safetensors --out both.safetensors

    Prints how far every two masks overlap (IoU), and how far two random masks of the same sizes would. For two masks it
    also prints this for the components that hold most. Without --out no file is written.

    Parameters
    ----------
    operation
        How the masks are joined.

        - union: weights in any of them
        - intersection: weights in all of them
        - difference: weights in the first and in none of the others
    masks
        Two or more masks of one model.
    out
        File for the mask (safetensors). Without it the command only prints the tables.
    trim
        Scores of the same model: keeps only those joined weights that score highest. Needs --fraction.
    fraction
        Share of the scored weights that --trim keeps, in (0, 1).
    json
        Print one JSON object in place of tables.
    """
    require_ending(out, ".safetensors")
    loaded = {path: load_mask(path) for path in masks}
    for path in masks[1:]:
        refuse_unlike((f"mask {str(masks[0])!r}", f"mask {str(path)!r}"), (loaded[masks[0]], loaded[path]))
    overlaps = _overlaps([(path, loaded[path]) for path in masks])
    shown: dict[str, object] = {
        "operation": operation,
        "overlap": [{"first": first, "second": second, **asdict(found)} for first, second, found in overlaps],
    }
    try:
        mask = combine_masks(operation, [loaded[path] for path in masks], out, scores=trim, fraction=fraction)
    except EmptyResultError:
        note = None if out else f"The {operation} selects no weight."
        show({**shown, "num_selected": 0}, [_overlap_table(overlaps)], json, note=note)
        if out:
            raise
        return
    tables = [mask_table(mask, out), origin_table(mask.made_by), _overlap_table(overlaps)]
    if len(loaded) == 2:
        by_component = overlap_by_component(*loaded.values())
        shown["overlap_by_component"] = [dict(zip(PART_KEYS, row, strict=True)) for row in by_component]
        tables.append(_component_table(by_component, *loaded.values()))
    note = f"Mask: {out}" if out else unless_quiet("Not written, as there is no --out.")
    show({**mask_json(mask, out), **shown}, tables, json, note=note)


def _overlaps(masks: Sequence[tuple[Path, Mask]]) -> list[OverlapOfTwo]:
    """Lists every two masks with their overlap."""
    return [
        (str(first), str(second), overlap(left, right)) for (first, left), (second, right) in combinations(masks, 2)
    ]


def overlap_by_component(first: Mask, second: Mask) -> list[tuple[int | None, str, float, float]]:
    """Lists the IoU of two masks in every component of every layer where either selects, and that of random ones."""
    places: dict[tuple[int | None, str], list[str]] = {}
    for name in {*first.indices, *second.indices}:
        places.setdefault(layer_and_path(name), []).append(name)
    rows = []
    for place in sorted(places, key=by_layer):
        parts = [_part(mask, places[place]) for mask in (first, second)]
        rows.append((*place, parts[0].iou(parts[1]), random_iou(*parts)))
    return rows


def _part(mask: Mask, names: Sequence[str]) -> Mask:
    """Returns the part of a mask that lies in these parameters."""
    indices, shapes = ({name: held[name] for name in names if name in held} for held in (mask.indices, mask.shapes))
    return replace(mask, indices=indices, shapes=shapes)


def _component_table(rows: Sequence[tuple[int | None, str, float, float]], *masks: Mask) -> Table:
    """Shows the components in which the two masks select most. --json has all of them."""
    held: dict[tuple[int | None, str], int] = {}
    for mask in masks:
        for name, index in mask.indices.items():
            place = layer_and_path(name)
            held[place] = held.get(place, 0) + len(index)
    most = sorted(held, key=lambda place: -held[place])[:SHOWN]
    cells = [
        ("" if layer is None else layer, component, f"{held[layer, component]:,}", f"{iou:.3f}", f"{chance:.3f}")
        for layer, component, iou, chance in rows
        if (layer, component) in most
    ]
    title = "Overlap by layer and component"
    title += f": the {SHOWN} of {len(rows)} with most weights (--json has all)" if len(rows) > SHOWN else ""
    return table(title, ("layer", "component", "weights in both masks together", "IoU", "random IoU"), cells)


def _overlap_table(overlaps: Sequence[OverlapOfTwo]) -> Table:
    from holdfast.report.schema import with_ends

    rows = [
        (
            *(first, second, with_ends(found.iou, found.iou_low, found.iou_high)),
            *(f"{number:.3f}" for number in (found.random_iou, found.random_iou_per_tensor)),
        )
        for first, second, found in overlaps
    ]
    columns = ("mask", "and mask", OVER_MATRICES, "random IoU", "random IoU, as many in every tensor")
    return table("Overlap", columns, rows)
