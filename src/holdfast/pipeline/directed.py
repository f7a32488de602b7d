"""The beginning of measurements with a direction: checks, the model, the judge, and random directions as control."""

from pathlib import Path
from typing import NamedTuple, Protocol

from holdfast.artifacts import load_direction
from holdfast.directions.random import random_direction
from holdfast.evaluate.suite import Suite
from holdfast.models.load import LoadedModel
from holdfast.pipeline.changed_model import FolderSpec, load_measured, made_by_of, require_measurable
from holdfast.pipeline.judges import Judge
from holdfast.pipeline.steered_model import refuse_shared
from holdfast.pipeline.suites import load_suite
from holdfast.progress import Progress
from holdfast.values import Direction


class DirectedSpec(FolderSpec, Protocol):
    """Inputs of all evaluations of a folder, and the direction that they are about."""

    @property
    def direction(self) -> Path:
        """File of the direction."""
        ...


class Opened(NamedTuple):
    """Everything that the evaluations need, loaded and checked."""

    direction: Direction
    suite: Suite
    loaded: LoadedModel
    judge: Judge
    made_by: dict[str, object]
    """Metadata of the evaluations."""


def open_directed(spec: DirectedSpec, progress: Progress) -> Opened:
    """Loads the direction, the prompts, the model and the judge, after all checks that need no model.

    Raises:
        ValueError: an input is missing or wrong, or the direction is of another model or was made from prompts of the
            suite.
    """
    require_measurable(spec)
    direction, suite = load_direction(spec.direction), load_suite(spec.files, spec.limit)
    refuse_shared(spec.direction, direction, suite)
    loaded, judge = load_measured(spec, suite, f"the direction {str(spec.direction)!r}", direction, progress)
    return Opened(direction, suite, loaded, judge, made_by_of(spec, loaded, judge, suite))


def drawn(spec: DirectedSpec, direction: Direction, draw: int) -> Direction:
    """Draws the random direction of this number, of the direction's length."""
    return random_direction(direction, spec.seed * 1000 + draw)
