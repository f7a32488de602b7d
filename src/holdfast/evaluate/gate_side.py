"""One of the two sides of a gate: its file, its model and its provenance, for the reports of the gate."""

from dataclasses import dataclass, field

from holdfast.made_by import Meta, entry_name
from holdfast.outcomes import Evaluation


@dataclass(frozen=True)
class GateSide:
    """The evaluation or the log of one checkpoint, without its answers."""

    file: str | None = None
    """File of the evaluation or the log. None for an evaluation that a script holds in memory."""
    model: str | None = None
    """Name of the model. None where none is recorded."""
    made_by: Meta = field(default_factory=dict)
    """Provenance of the evaluation. Empty for a log."""
    program: str | None = None
    """Program that wrote the log. None for an evaluation."""


def side_of(evaluation: Evaluation) -> GateSide:
    """Makes the side of an evaluation in memory."""
    return GateSide(model=entry_name(evaluation.made_by, "model"), made_by=evaluation.made_by)
