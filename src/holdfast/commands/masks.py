"""Tables and JSON of a mask that a command has made."""

from pathlib import Path

from rich.console import Group
from rich.table import Table

from holdfast.commands.console import table
from holdfast.commands.layers import layer_table
from holdfast.granularity import UNITS
from holdfast.made_by import Meta, summary
from holdfast.models.by_layer import ByLayer, count_by_layer
from holdfast.pipeline.showing import mask_title
from holdfast.values import Mask


def mask_json(mask: Mask, out: Path | None) -> dict[str, object]:
    """Describes a mask as JSON: its file, size, model and origin, and its weights by layer and component."""
    return {
        **({} if out is None else {"out": str(out)}),
        "granularity": mask.granularity,
        "num_selected": len(mask),
        "density": mask.density,
        "share_of_all": mask.share_of_all,
        "base": mask.base,
        "made_from": summary(mask.made_by),
        "by_component": _by_layer(mask).records(),
    }


def origin_table(made_by: Meta) -> Table:
    """Lists the model, prompts and settings that scores or a mask were made from, as their file records them."""
    rows = list(summary(made_by).items()) or [("unknown", "an earlier version wrote the file and recorded nothing")]
    return table("Made from", ("what", "value"), rows)


def mask_table(mask: Mask, out: Path | None = None) -> Group:
    """Shows the size of a mask, and its density by layer and component. `out` is its file, if it has one."""
    title = mask_title(len(mask), mask.num_entries, mask.num_parameters, UNITS[mask.granularity])
    return layer_table(title, _by_layer(mask), file=out)


def _by_layer(mask: Mask) -> ByLayer:
    counts = {name: index.numel() for name, index in mask.indices.items()}
    return count_by_layer(mask.shapes, counts, units=UNITS[mask.granularity])
