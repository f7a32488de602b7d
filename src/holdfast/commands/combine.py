"""`holdfast combine`."""

from itertools import combinations
from pathlib import Path

from holdfast.artifacts import load_mask
from holdfast.commands.console import Json, show, table
from holdfast.commands.masks import mask_json, mask_table, origin_table
from holdfast.pipeline.masks import combine_masks
from holdfast.select.algebra import Operation, random_iou


def combine(
    operation: Operation,
    *masks: Path,
    out: Path,
    trim: Path | None = None,
    fraction: float | None = None,
    json: Json = False,
) -> None:
    """Join masks by union, intersection or difference.

    Example: holdfast combine intersection first.safetensors second.safetensors --out both.safetensors

    Prints how far every two masks overlap (IoU), beside two random masks of the same sizes.

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
        File for the mask (safetensors).
    trim
        Scores of that model: keeps only the best-scored of the joined weights. Needs --fraction.
    fraction
        Share of the scored weights that --trim keeps, in (0, 1).
    json
        Print one JSON object in place of tables.
    """
    loaded = [load_mask(path) for path in masks]
    mask = combine_masks(operation, loaded, out, scores=trim, fraction=fraction)
    pairs = combinations(zip(map(str, masks), loaded, strict=True), 2)
    overlaps = [(first, second, left.iou(right), random_iou(left, right)) for (first, left), (second, right) in pairs]
    columns = ("mask", "and mask", "IoU", "random IoU")
    rows = [(first, second, f"{iou:.3f}", f"{by_chance:.3f}") for first, second, iou, by_chance in overlaps]
    result = {
        **mask_json(mask, out),
        "operation": operation,
        "overlap": [dict(zip(("first", "second", "iou", "random_iou"), one, strict=True)) for one in overlaps],
    }
    show(
        result,
        [mask_table(mask), origin_table(mask.made_by), table("Overlap", columns, rows)],
        json,
        note=f"Mask: {out}",
    )
