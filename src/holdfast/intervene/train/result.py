"""Results that SET and SPA have in common."""

from dataclasses import dataclass

from holdfast.counts import counted
from holdfast.models.load import LoadedModel


@dataclass(frozen=True, kw_only=True)
class TuningResult:
    """A tuned model, with its losses and the effect of the training."""

    tuned: LoadedModel
    """The given model object with its new fingerprint. Its values are those of a checkpoint in the storage dtype."""
    losses: tuple[float, ...]
    """Loss of each step, from the first on. Lacks the steps before a checkpoint of a version that kept no losses."""
    routing_drift: float | None = None
    """Share of a mixture's choices of experts, on the first examples, that training changed. None without experts."""
    entries_changed: int = 0
    """Number of entries that differ from the checkpoint in its own dtype. Rounding undoes small steps."""
    start_loss: float | None = None
    """Mean loss per response token on the last batch, before training. None for preferences."""
    saved_loss: float | None = None
    """Mean loss per response token on the last batch, of the model as saved. None for preferences."""

    @property
    def described(self) -> str:
        """Steps, losses and changed weights, for a result that is printed."""
        steps = counted(len(self.losses), "step")
        known = self.start_loss is not None and self.saved_loss is not None
        losses = f", loss {self.start_loss:.3f} to {self.saved_loss:.3f}" if known else ""
        return f"{steps}{losses}, {self.entries_changed:,} weights changed, tuned {self.tuned}"
