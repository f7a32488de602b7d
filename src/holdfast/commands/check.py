"""`holdfast check`."""

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import RenderableType

from holdfast.commands.console import Json, show, shown_progress, table
from holdfast.commands.layers import layer_table
from holdfast.progress import hidden
from holdfast.shares import share_words

if TYPE_CHECKING:
    from holdfast.pipeline.checking import HoldCheck


def check(model: str, *, base: str, mask: Path, json: Json = False) -> None:
    """Check that a tuned checkpoint kept every bit of a mask's weights, and count which others moved.

    Example: holdfast check adapted/model --base testbed:aligned --mask mask.safetensors

    Exit codes: 0 every held weight kept its value; 1 one moved, and the last line says where; 2 a mistake.

    The last line says in words what moved. Each cell of a table is the share of the weights there that moved, divided
    by that share of the whole model: 2 is twice the average. Layers without any are left out, and --quiet leaves the
    tables out.

    Parameters
    ----------
    model
        The tuned checkpoint: a folder, a hub id or testbed:NAME. Merge LoRA adapters first; those of a hold
        with `load_protected` and `merge_protected`.
    base
        The checkpoint that it was tuned from, for which the mask was made.
    mask
        File of the weights that were held.
    json
        Print one JSON object in place of tables.
    """
    from holdfast.pipeline.checking import check_hold

    with shown_progress() as progress:
        found = check_hold(model, base, mask, progress)
    result = {"model": model, "base": base, "mask": str(mask), **found.as_json()}
    show(result, [] if hidden.get() else _tables(found), json, note=found.verdict)
    found.refuse_moved()


def _tables(found: "HoldCheck") -> list[RenderableType]:
    """Where weights moved, if any did, and the totals; of held ones that moved, where and which are the first."""
    tables: list[RenderableType] = []
    if found.held_moved or found.others_moved:
        tables.append(layer_table("Where weights moved", found.moved_by_layer(), without_empty=True))
    if found.moved:
        moved = [(one.name, one.index, one.before, one.after) for one in found.moved]
        tables.append(layer_table("Where held weights moved", found.held_moved_by_layer(), without_empty=True))
        tables.append(table("The first held weights that moved", ("parameter", "entry", "before", "after"), moved))
    return [*tables, table("Hold", ("what", "number"), _totals(found))]


def _totals(found: "HoldCheck") -> list[tuple[str, str]]:
    others = found.entries - found.held
    moved = found.held_moved + found.others_moved
    totals = [
        ("held weights", f"{found.held:,}"),
        ("held weights that moved", _counted(found.held_moved, found.held)),
        ("other weights", f"{others:,}"),
        ("other weights that moved", _counted(found.others_moved, others)),
        ("all weights that moved", _counted(moved, found.entries)),
    ]
    if found.not_compared:
        totals.append(("parameters of one checkpoint alone, or of another shape", ", ".join(found.not_compared)))
    return totals


def _counted(part: int, whole: int) -> str:
    """'1,234 (17.6%)'."""
    return f"{part:,} ({share_words(part, whole)})"
