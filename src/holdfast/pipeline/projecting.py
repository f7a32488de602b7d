"""Evaluates a model without a direction in its residual stream, and without random ones. Its weights stay unchanged.

A folder that `holdfast verify --project-out` writes:
    settings.json, untouched.json       settings, and the evaluation of the whole stream
    projected_out.json                  the evaluation without the direction
    random_NUMBER.json                  the same without a random direction, one file a draw
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from holdfast.artifacts import digest, load_evaluation, save_evaluation
from holdfast.evaluate.suite import evaluate
from holdfast.intervene.edit.project_out import projected_out
from holdfast.made_by import model_entry
from holdfast.models.options import GenerateOptions
from holdfast.outcomes import Evaluation
from holdfast.pipeline.changed_model import settings_of
from holdfast.pipeline.directed import drawn, open_directed
from holdfast.pipeline.options import JudgeOptions, SuiteFiles
from holdfast.pipeline.outputs import claimed
from holdfast.pipeline.steered_model import hash_of
from holdfast.pipeline.steering import UNTOUCHED
from holdfast.progress import Progress, silent, steps_of
from holdfast.values import Direction

PROJECTED = "projected_out.json"


@dataclass(frozen=True, kw_only=True)
class ProjectSpec:
    """All inputs of a verification that leaves out a direction."""

    model: str
    direction: Path
    files: SuiteFiles
    out: Path
    judge: str
    judging: JudgeOptions = field(default_factory=JudgeOptions)
    generation: GenerateOptions = field(default_factory=GenerateOptions)
    draws: int = 5
    """Number of random directions."""
    limit: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class Projected:
    """The evaluations: of the untouched model, without the direction, and without random ones."""

    untouched: Evaluation
    projected: Evaluation
    random: Sequence[Evaluation]


def verify_without(spec: ProjectSpec, progress: Progress = silent) -> Projected:
    """Evaluates the model untouched, without the direction, and without random ones. Existing files are kept.

    Raises:
        ValueError: an input is missing or wrong, the direction is of another model or was made from prompts of the
            suite, or the folder holds another measurement.
    """
    direction, suite, loaded, judge, made_by = open_directed(spec, progress)
    control = [drawn(spec, direction, draw) for draw in range(spec.draws)]
    left_out: dict[str, Direction | None] = {
        UNTOUCHED: None,
        PROJECTED: direction,
        **dict(zip(_names(spec), control, strict=True)),
    }
    with claimed(spec.out, settings_of(spec, loaded, judge, made_by) | {"projected_out": hash_of(direction)}):
        for name, without in steps_of(progress, "evaluations without a direction", list(left_out.items())):
            if not (path := spec.out / name).is_file():
                with projected_out(loaded.model, without) if without else nullcontext():
                    evaluation = evaluate(loaded, judge, suite, spec.generation, made_by={})
                named = _named(spec, loaded.base, name, without)
                save_evaluation(path, replace(evaluation, made_by={**made_by, **named}))
    evaluations = [load_evaluation(spec.out / name) for name in left_out]
    return Projected(evaluations[0], evaluations[1], tuple(evaluations[2:]))


def _names(spec: ProjectSpec) -> list[str]:
    return [f"random_{draw}.json" for draw in range(spec.draws)]


def _named(spec: ProjectSpec, base: str, name: str, without: Direction | None) -> dict[str, object]:
    """Returns the metadata of the model without a direction as a model of its own."""
    if without is None:
        return {"model": model_entry(spec.model, base)}
    which = str(spec.direction) if name == PROJECTED else f"random direction {Path(name).stem.rpartition('_')[2]}"
    entry = {"direction": hash_of(without), "which": which}
    return {"model": model_entry(f"{spec.model} without {which}", digest([base, entry])), "projected_out": entry}
