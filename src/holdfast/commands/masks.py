"""How a mask that a command wrote is shown."""

from pathlib import Path

from rich.table import Table

from holdfast.commands.console import table
from holdfast.made_by import Meta, summary
from holdfast.values import Mask

ROWS = 10


def mask_json(mask: Mask, out: Path) -> dict[str, object]:
    """Its file, its size, the model that it belongs to, and what it was made from."""
    return {
        "out": str(out),
        "num_selected": len(mask),
        "density": mask.density,
        "share_of_all": mask.share_of_all,
        "base": mask.base,
        "made_from": summary(mask.made_by),
    }


def origin_table(made_by: Meta) -> Table:
    """What scores or a mask were made from, as far as they say."""
    rows = list(summary(made_by).items()) or [("not told", "by the file, which is of an earlier version")]
    return table("Made from", ("what", "value"), rows)


def mask_table(mask: Mask) -> Table:
    """Its size, and the parameters that hold most of it."""
    largest = sorted(mask.indices, key=lambda name: -len(mask[name]))[:ROWS]
    title = f"{len(mask):,} entries: {mask.density:.3%} of the scored, {mask.share_of_all:.3%} of all"
    return table(title, ("parameter", "selected"), [(name, len(mask[name])) for name in largest])
