"""Overlap of two masks in every component of every layer, to see where they agree."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from holdfast.arguments import checked_call
from holdfast.models.paths import by_layer, layer_and_path
from holdfast.select.algebra import random_iou
from holdfast.select.overlap import num_shared
from holdfast.value_or_path import as_mask
from holdfast.values import Mask, refuse_unlike


class OverlapOfPart(NamedTuple):
    """How far two masks overlap in one component of a layer."""

    layer: int | None
    component: str
    num_first: int
    num_second: int
    num_both: int
    iou: float
    random_iou: float


@checked_call
def overlap_table(first: Mask | str | Path, second: Mask | str | Path) -> list[dict[str, object]]:
    """Compares two masks in every component of every layer where either selects an entry.

    `pandas.DataFrame(...)` takes the rows. The columns are layer, component, num_first, num_second, num_both, iou and
    random_iou, the IoU to expect of random masks with as many entries there.

    Example:
        >>> rows = overlap_table(mask, control)

    Args:
        first: a mask, or the path of its file.
        second: another mask of the same model, or the path of its file.

    Raises:
        ValueError: the masks are of different models or units.
    """
    masks = as_mask(first), as_mask(second)
    refuse_unlike(("the first mask", "the second"), masks)
    return [part._asdict() for part in overlap_by_component(*masks)]


def overlap_by_component(first: Mask, second: Mask) -> list[OverlapOfPart]:
    """Lists the overlap of two masks in every component of every layer where either selects."""
    places: dict[tuple[int | None, str], list[str]] = {}
    for name in {*first.indices, *second.indices}:
        places.setdefault(layer_and_path(name), []).append(name)
    rows = []
    for place in sorted(places, key=by_layer):
        parts = [_part(mask, places[place]) for mask in (first, second)]
        iou, sizes = parts[0].iou(parts[1]), (len(parts[0]), len(parts[1]))
        rows.append(OverlapOfPart(*place, *sizes, num_shared(iou, *sizes), iou, random_iou(*parts)))
    return rows


def _part(mask: Mask, names: Sequence[str]) -> Mask:
    """Returns the part of a mask that lies in these parameters."""
    indices, shapes = ({name: held[name] for name in names if name in held} for held in (mask.indices, mask.shapes))
    return replace(mask, indices=indices, shapes=shapes)
