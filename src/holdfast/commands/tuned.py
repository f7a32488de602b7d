"""The check that `holdfast enhance` and `holdfast adapt` begin with, and the numbers that both print."""

from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.wrong_files import require_kind

if TYPE_CHECKING:
    from holdfast.intervene.train.result import TuningResult  # imports all of transformers


def check_mask(mask: Path | None) -> None:
    """Raises ValueError for a file that is no mask, before libraries are loaded, which takes seconds."""
    if mask is not None:
        require_kind(mask, "mask")


def training_numbers(result: "TuningResult", iterations: int) -> dict[str, object]:
    """Returns the changed entries, the routing drift and the losses of a training, by name."""
    losses = result.losses
    has_all = len(losses) == iterations  # a folder of an earlier version keeps no loss of the first step
    return {
        "entries_changed": result.entries_changed,
        "routing_drift": result.routing_drift,
        "first_loss": losses[0] if has_all else None,
        "last_loss": losses[-1] if losses else None,
        "start_loss": result.start_loss,
        "saved_loss": result.saved_loss,
    }
