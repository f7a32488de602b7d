"""Settings of one pass over an objective's items."""

from dataclasses import dataclass

from holdfast.progress import Progress, silent
from holdfast.score.checkpoint import Checkpoint


@dataclass(frozen=True)
class Pass:
    """Settings of a pass over the items: in which batches, and where its sums are and are saved."""

    token_budget: int | None = None
    """Most tokens of a batch, padding counted. None takes as many as fit into memory."""
    progress: Progress = silent
    """Called after every batch with the number of items done."""
    checkpoint: Checkpoint | None = None
    """Saves the sums now and then. Saved batches are not computed again."""
    on_host: bool = False
    """True keeps sums of gradients in host memory, so that the device holds the weights and one gradient at a time."""
