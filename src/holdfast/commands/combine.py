"""`holdfast combine`."""

from collections.abc import Sequence
from dataclasses import asdict
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
from holdfast.granularity import UNITS
from holdfast.models.paths import short_names
from holdfast.pipeline.masks import combine_masks
from holdfast.select.algebra import OPERATORS, EmptyResultError, Operation
from holdfast.select.overlap import Overlap, overlap
from holdfast.select.overlap_table import OverlapOfPart, overlap_by_component
from holdfast.spelling import meant
from holdfast.values import Mask, refuse_unlike

OVERLAPS = ("iou", "jaccard", "overlap", "dice")
"""Words for how far masks overlap, which are no operation."""
SHOWN = 12
"""Most components that the terminal shows."""
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

    Prints first how much every two masks share: the weights in the first, in the second and in both, and the IoU.
    Beside it stands the IoU of random masks of these sizes. For two masks it also prints this for the components that
    hold most. Without --out no file is written.

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
    if twice := next((path for path in masks if masks.count(path) > 1), None):
        raise ValueError(f"mask {str(twice)!r} was given twice; give two or more masks, each once.")
    loaded = {path: load_mask(path) for path in masks}
    for path in masks[1:]:
        refuse_unlike((f"mask {str(masks[0])!r}", f"mask {str(path)!r}"), (loaded[masks[0]], loaded[path]))
    about, shared = _shared([(path, loaded[path]) for path in masks])
    about = {"operation": operation, **about}
    try:
        mask = combine_masks(operation, [loaded[path] for path in masks], out, scores=trim, fraction=fraction)
    except EmptyResultError:
        note = None if out else f"The {operation} selects no weight."
        show({**about, "num_selected": 0}, shared, json, note=note)
        if out:
            raise
        return
    note = f"Mask: {out}" if out else unless_quiet("Not written, as there is no --out.")
    tables = [*shared, mask_table(mask, out), origin_table(mask.made_by)]
    show({**mask_json(mask, out), **about}, tables, json, note=note)


def _shared(masks: Sequence[tuple[Path, Mask]]) -> tuple[dict[str, object], list[Table]]:
    """Returns how much every two masks share, as JSON and as tables. Of two masks it also returns it by component."""
    pairs = [(str(one), str(other), overlap(left, right)) for (one, left), (other, right) in combinations(masks, 2)]
    about: dict[str, object] = {
        "overlap": [{"first": first, "second": second, **asdict(found)} for first, second, found in pairs]
    }
    tables = [_overlap_table(pairs, UNITS[masks[0][1].granularity])]
    if len(masks) == 2:
        parts = overlap_by_component(masks[0][1], masks[1][1])
        about["overlap_by_component"] = [part._asdict() for part in parts]
        tables.append(_component_table(parts))
    return about, tables


def _component_table(parts: Sequence[OverlapOfPart]) -> Table:
    """Shows the components in which the two masks select most. --json has all of them."""
    most = sorted(parts, key=lambda part: -part.num_first - part.num_second)[:SHOWN]
    names = short_names({part.component for part in parts})
    cells = [
        (
            *("" if part.layer is None else part.layer, names[part.component]),
            *(f"{number:,}" for number in (part.num_first, part.num_second, part.num_both)),
            *(f"{part.iou:.3f}", f"{part.random_iou:.4f}"),
        )
        for part in parts
        if part in most
    ]
    title = "What they share by layer and component"
    title += f": the {SHOWN} of {len(parts)} with most weights (--json has all)" if len(parts) > SHOWN else ""
    columns = ("layer", "component", "in the first", "in the second", "in both", "IoU", "IoU of random masks")
    return table(title, columns, cells)


def _overlap_table(overlaps: Sequence[OverlapOfTwo], units: str) -> Table:
    """Shows what every two masks share: for two masks a line for each number, for more a line for each two."""
    from holdfast.report.schema import with_ends

    columns = (
        *("first mask", "second mask", f"{units} in the first", f"{units} in the second", f"{units} in both"),
        *(
            OVER_MATRICES,
            "IoU of two random masks of these sizes",
            "IoU of two random masks of these sizes in every tensor",
        ),
    )
    rows = [
        (
            *(first, second, *(f"{number:,}" for number in (found.num_first, found.num_second, found.num_both))),
            with_ends(found.iou, found.iou_low, found.iou_high),
            *(f"{chance:.4f}" for chance in (found.random_iou, found.random_iou_per_tensor)),
        )
        for first, second, found in overlaps
    ]
    title = f"How much the masks share. IoU: {units} in both, divided by {units} in either"
    if len(rows) == 1:
        return table(title, ("what", "value"), list(zip(columns, rows[0], strict=True)))
    return table(title, columns, rows)
