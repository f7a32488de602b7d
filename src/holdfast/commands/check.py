"""`holdfast check`."""

from pathlib import Path

from holdfast.commands.console import Json, show, shown_progress, table


def check(model: str, *, base: str, mask: Path, json: Json = False) -> None:
    """Check that a tuned checkpoint kept every bit of a mask's weights, and count which others moved.

    Example: holdfast check adapted/model --base testbed:aligned --mask mask.safetensors

    Exit codes: 0 every held weight kept its value; 1 one moved, and the table says where; 2 a mistake.

    Parameters
    ----------
    model
        The tuned checkpoint: a folder, a hub id or testbed:NAME. Merge LoRA adapters first.
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
    others = found.entries - found.held
    share = found.others_moved / others if others else 0.0
    summary = [
        ("held weights", f"{found.held:,}"),
        ("held weights that moved", f"{found.held_moved:,}"),
        ("other weights", f"{others:,}"),
        ("other weights that moved", f"{found.others_moved:,} ({share:.1%})"),
    ]
    if found.not_compared:
        summary.append(("parameters of one checkpoint alone, or of another shape", ", ".join(found.not_compared)))
    columns = ("layer", "component", "weights", "held", "held, moved", "others, moved")
    rows = []
    for one in found.components:
        numbers = (one.entries, one.held, one.held_moved, one.others_moved)
        rows.append(("" if one.layer is None else one.layer, one.component, *map("{:,}".format, numbers)))
    tables = [table("Hold", ("what", "number"), summary), table("Where", columns, rows)]
    if found.moved:
        moved = [(one.name, one.index, one.before, one.after) for one in found.moved]
        tables.append(table("The first held weights that moved", ("parameter", "entry", "before", "after"), moved))
    show({"model": model, "base": base, "mask": str(mask), **found.as_json()}, tables, json)
    found.refuse_moved()
