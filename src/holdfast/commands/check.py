"""`holdfast check`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.console import RenderableType
from rich.text import Text

from holdfast.commands.console import Json, show, shown_progress, table
from holdfast.commands.layers import layer_table
from holdfast.progress import hidden
from holdfast.shares import share_words

if TYPE_CHECKING:
    from holdfast.pipeline.hold_check import HoldCheck


def check(
    model: str,
    *,
    base: str,
    mask: Path,
    only_mask_moved: Annotated[bool, Parameter(negative="")] = False,
    by_layer: Annotated[bool, Parameter(negative="")] = False,
    allow_unchanged: Annotated[bool, Parameter(negative="")] = False,
    json: Json = False,
) -> None:
    """Check that a tuned checkpoint kept every bit of a mask's weights, and count which others moved.

    Example: holdfast check adapted/model --base testbed:aligned --mask mask.safetensors

    After SET: holdfast check enhanced/model --base testbed:unaligned --mask mask.safetensors --only-mask-moved

    Exit codes: 0: every weight that must not move kept every bit. 1: one moved, and the last line names it. 2: any
    other error, explained in one sentence, such as a checkpoint in which no weight moved at all.

    The first line is the verdict, and a table counts the weights that moved. Up to 20 weights that must not have moved
    are listed. If there are more, another table shows where, by layer and component, in multiples of the average: 2 in
    a cell means that twice as large a share of these weights moved there. --by-layer shows such a table for all weights
    that moved. Layers where none moved are left out. --quiet prints the verdict alone.

    Parameters
    ----------
    model
        The tuned checkpoint: a folder, a hub id or testbed:NAME. Merge LoRA adapters first. Adapters that
        were trained under a hold merge with `load_protected` and `merge_protected`.
    base
        The checkpoint that it was tuned from, for which the mask was made.
    mask
        File of the weights that were held, or that SET trained.
    only_mask_moved
        Check the opposite, for a model that `enhance` made: only the mask's weights may have moved, and all others must
        have kept every bit.
    by_layer
        Also show in which layers and components weights moved, of all weights.
    allow_unchanged
        Accept a checkpoint that has the base's own weights. It passes every check, so it is refused without this
        option.
    json
        Print one JSON object in place of tables.
    """
    from holdfast.pipeline.checking import check_hold, check_only_mask_moved

    compare = check_only_mask_moved if only_mask_moved else check_hold
    with shown_progress() as progress:
        checked = compare(model, base, mask, progress, allow_unchanged=True)
    if not allow_unchanged:
        checked.refuse_unchanged(model, "--allow-unchanged")
    result = {"model": model, "base": base, "mask": str(mask), "only_mask_moved": only_mask_moved, **checked.as_json()}
    show(result, [Text(checked.verdict), *([] if hidden.get() else _tables(checked, by_layer))], json)
    checked.refuse_moved("--only-mask-moved")


def _tables(checked: "HoldCheck", whole: bool) -> list[RenderableType]:
    """Makes the tables: totals, where weights moved that must not, and the first of them. Leaves out empty ones.

    `whole` adds where any weight moved.
    """
    from holdfast.pipeline.hold_check import OnlyMaskCheck

    trained = isinstance(checked, OnlyMaskCheck)
    kind = "weights outside the mask" if trained else "held weights"
    masked = "weights in the mask" if trained else "held weights"
    tables: list[RenderableType] = [
        table("Training" if trained else "Hold", ("what", "number"), _totals(checked, masked))
    ]
    if whole and (checked.held_moved or checked.others_moved):
        tables.append(layer_table("Where weights moved", checked.moved_by_layer(), without_empty=True))
    if checked.moved:
        moved = [(entry.name, entry.index, entry.before, entry.after) for entry in checked.moved]
        by_layer = (
            checked.others_moved_by_layer() if isinstance(checked, OnlyMaskCheck) else checked.held_moved_by_layer()
        )
        number = checked.others_moved if trained else checked.held_moved
        if number > len(moved):
            tables.append(layer_table(f"Where {kind} moved", by_layer, without_empty=True))
        title = f"The {'first ' if number > len(moved) else ''}{kind} that moved"
        tables.append(table(title, ("parameter", "entry", "before", "after"), moved))
    return tables


def _totals(checked: "HoldCheck", masked: str) -> list[tuple[str, str]]:
    others = checked.entries - checked.held
    moved = checked.held_moved + checked.others_moved
    totals = [
        (masked, f"{checked.held:,}"),
        (f"{masked} that moved", _counted(checked.held_moved, checked.held)),
        ("other weights", f"{others:,}"),
        ("other weights that moved", _counted(checked.others_moved, others)),
        ("all weights that moved", _counted(moved, checked.entries)),
    ]
    if checked.not_compared:
        totals.append(("parameters of one checkpoint alone, or of another shape", ", ".join(checked.not_compared)))
    return totals


def _counted(part: int, whole: int) -> str:
    """Formats a count with its share of the whole: '1,234 (17.6%)'."""
    return f"{part:,} ({share_words(part, whole)})"
