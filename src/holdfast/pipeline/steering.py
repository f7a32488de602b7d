"""Evaluates a model while its residual stream is moved along a direction, and along random ones as the control.

A folder that `holdfast direction steer` writes:
    settings.json, untouched.json           settings, and the evaluation without steering
    steered_COEFFICIENT.json                an evaluation for every coefficient
    random_NUMBER_COEFFICIENT.json          the same with random directions, of equal length, as they are in `norm`
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from holdfast.artifacts import digest, load_evaluation, save_evaluation
from holdfast.evaluate.suite import Suite, evaluate
from holdfast.intervene.edit.amounts import require_coefficients
from holdfast.intervene.edit.options import SteerOptions
from holdfast.intervene.edit.steer import steered
from holdfast.made_by import model_entry
from holdfast.models.load import LoadedModel
from holdfast.models.options import GenerateOptions
from holdfast.outcomes import Evaluation
from holdfast.pipeline.changed_model import settings_of
from holdfast.pipeline.directed import drawn, open_directed
from holdfast.pipeline.judges import Judge
from holdfast.pipeline.options import JudgeOptions, SuiteFiles
from holdfast.pipeline.outputs import claimed
from holdfast.pipeline.steered_model import hash_of
from holdfast.progress import Progress, silent, steps_of
from holdfast.values import Direction

UNTOUCHED = "untouched.json"


@dataclass(frozen=True, kw_only=True)
class SteerSpec:
    """All inputs of a measurement under steering."""

    model: str
    direction: Path
    coefficients: Sequence[float]
    files: SuiteFiles
    out: Path
    judge: str
    judging: JudgeOptions = field(default_factory=JudgeOptions)
    generation: GenerateOptions = field(default_factory=GenerateOptions)
    options: SteerOptions = field(default_factory=SteerOptions)
    seed: int = 0

    @property
    def limit(self) -> int | None:
        """Number of prompts to take from every set. None takes all."""
        return self.options.limit


class Steering(NamedTuple):
    """One direction with one coefficient, and its file."""

    coefficient: float
    draw: int | None
    """Number of the random direction. None for the direction itself."""

    @property
    def file(self) -> str:
        """Name of the evaluation's file."""
        kind = "steered" if self.draw is None else f"random_{self.draw}"
        return f"{kind}_{self.coefficient:g}.json"


@dataclass(frozen=True)
class Steered:
    """The evaluations: without steering, and by coefficient with the direction and with random ones."""

    untouched: Evaluation
    by_coefficient: Mapping[float, Evaluation]
    random: Mapping[float, tuple[Evaluation, ...]]


def steer(spec: SteerSpec, progress: Progress = silent) -> Steered:
    """Evaluates the model untouched and under every steering. Existing files are kept.

    Raises:
        ValueError: an input is missing or wrong, the direction is of another model or was made from prompts of the
            suite, or the folder holds another measurement.
    """
    require_coefficients(spec.coefficients)
    direction, suite, loaded, judge, made_by = open_directed(spec, progress)
    settings = settings_of(spec, loaded, judge, made_by) | _moved(spec, direction)
    with claimed(spec.out, settings):
        measured = _Measured(spec, loaded, judge, suite, made_by)
        measured.save(UNTOUCHED, None, direction, progress)
        for one in steps_of(progress, "steerings", list(_steerings(spec))):
            along = direction if one.draw is None else drawn(spec, direction, one.draw)
            measured.save(one.file, one, along, progress)
    return _load(spec)


@dataclass(frozen=True)
class _Measured:
    """A model with everything that its evaluations need."""

    spec: SteerSpec
    loaded: LoadedModel
    judge: Judge
    suite: Suite
    made_by: dict[str, object]

    def save(self, name: str, steering: Steering | None, direction: Direction, progress: Progress) -> None:
        """Evaluates the model under one steering, if there is no file yet. The caller has checked the base."""
        path = self.spec.out / name
        if path.is_file():
            return
        rule = self.spec.options.model_dump(include={"rule", "renorm", "where"})
        model = self.loaded.model
        moved = steered(model, direction, steering.coefficient, **rule, check_base=False) if steering else nullcontext()
        with moved:
            evaluation = evaluate(self.loaded, self.judge, self.suite, self.spec.generation, progress, made_by={})
        save_evaluation(path, replace(evaluation, made_by={**self.made_by, **self._named(steering)}))

    def _named(self, steering: Steering | None) -> dict[str, object]:
        """Returns the metadata of the steered model as a model of its own."""
        if steering is None:
            return {"model": model_entry(self.spec.model, self.loaded.base)}
        along = str(self.spec.direction) if steering.draw is None else f"random direction {steering.draw}"
        told = {"coefficient": steering.coefficient, "along": along}
        name = f"{self.spec.model} moved by {steering.coefficient:g} along {along}"
        return {"model": model_entry(name, digest([self.loaded.base, told, self.spec.seed])), "steering": told}


def _steerings(spec: SteerSpec) -> Iterator[Steering]:
    for coefficient in spec.coefficients:
        yield Steering(coefficient, None)
        for draw in range(spec.options.random):
            yield Steering(coefficient, draw)


def _load(spec: SteerSpec) -> Steered:
    random = {
        coefficient: tuple(
            load_evaluation(spec.out / Steering(coefficient, draw).file) for draw in range(spec.options.random)
        )
        for coefficient in spec.coefficients
    }
    own = {one: load_evaluation(spec.out / Steering(one, None).file) for one in spec.coefficients}
    return Steered(load_evaluation(spec.out / UNTOUCHED), own, random)


def _moved(spec: SteerSpec, direction: Direction) -> dict[str, object]:
    return {"direction": hash_of(direction), **spec.options.model_dump(include={"rule", "renorm", "where"})}
