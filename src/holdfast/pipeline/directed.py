"""The beginning of measurements with a direction: checks, the model, the judge, and random directions as control."""

from pathlib import Path
from typing import NamedTuple, Protocol

from holdfast.artifacts import load_direction, refuse_other_base
from holdfast.directions.random import random_direction
from holdfast.evaluate.suite import Suite
from holdfast.models.load import LoadedModel, load_model
from holdfast.models.options import refuse_other_engine
from holdfast.pipeline.changed_model import MeasuredSpec, made_by_of
from holdfast.pipeline.judges import Judge, judges_refusals, load_judge, refuse_idle, require_usable, try_on
from holdfast.pipeline.options import refuse_samples
from holdfast.pipeline.outputs import refuse_unclaimable
from holdfast.pipeline.steered_model import refuse_shared
from holdfast.pipeline.suites import load_suite
from holdfast.progress import Progress
from holdfast.values import Direction


class DirectedSpec(MeasuredSpec, Protocol):
    """Inputs of all evaluations of a folder, and the direction that they are about."""

    @property
    def model(self) -> str:
        """The model."""
        ...

    @property
    def direction(self) -> Path:
        """File of the direction."""
        ...

    @property
    def out(self) -> Path:
        """Folder of the evaluations."""
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
    refuse_idle(spec.judging, spec.judge)
    refuse_samples(spec.generation)
    refuse_other_engine(spec.generation)
    refuse_unclaimable(spec.out)
    require_usable(spec.judging, spec.judge)
    direction, suite = load_direction(spec.direction), load_suite(spec.files, spec.limit)
    refuse_shared(spec.direction, direction, suite)
    loaded = load_model(spec.model, progress=progress)
    judge = load_judge(spec.judge, spec.judging, progress)
    refuse_other_base(f"the direction {str(spec.direction)!r}", direction, loaded.base, loaded.name)
    if not judges_refusals(spec.judge, spec.judging):
        try_on(judge, spec.judge, [prompt.prompt for prompt in suite.harmful])
    made_by = made_by_of(spec, loaded, judge, suite)
    return Opened(direction, suite, loaded, judge, made_by)


def drawn(spec: DirectedSpec, direction: Direction, draw: int) -> Direction:
    """Draws the random direction of this number, of the direction's length."""
    return random_direction(direction, spec.seed * 1000 + draw)
