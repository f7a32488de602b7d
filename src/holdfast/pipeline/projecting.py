"""Evaluates a model without a direction of its residual stream, beside random directions, and gives it back.

A folder that `holdfast verify --project-out` writes:
    settings.json, untouched.json       settings, and the evaluation of the whole stream
    projected_out.json                  the evaluation without the direction
    random_NUMBER.json                  the same without a random direction, one file a draw
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from holdfast.artifacts import digest, load_direction, load_evaluation, refuse_other_base, save_evaluation
from holdfast.directions.random import random_direction
from holdfast.evaluate.suite import evaluate
from holdfast.intervene.edit.project_out import projected_out
from holdfast.made_by import model_entry
from holdfast.models.load import load_model
from holdfast.models.options import GenerateOptions, refuse_other_engine
from holdfast.outcomes import Evaluation
from holdfast.pipeline.changed_model import made_by_of, settings_of
from holdfast.pipeline.judges import judges_refusals, load_judge, refuse_idle, require_usable, try_on
from holdfast.pipeline.options import JudgeOptions, SuiteFiles, refuse_samples
from holdfast.pipeline.outputs import claimed, refuse_unclaimable
from holdfast.pipeline.steered_model import hash_of, refuse_shared
from holdfast.pipeline.steering import UNTOUCHED
from holdfast.pipeline.suites import load_suite
from holdfast.progress import Progress, silent
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
    refuse_idle(spec.judging, spec.judge)
    refuse_samples(spec.generation)
    refuse_other_engine(spec.generation)
    refuse_unclaimable(spec.out)
    require_usable(spec.judging, spec.judge)
    direction, suite = load_direction(spec.direction), load_suite(spec.files, spec.limit)
    refuse_shared(spec.direction, direction, suite)
    loaded = load_model(spec.model, progress=progress)
    judge = load_judge(spec.judge, spec.judging, progress)
    refuse_other_base(f"the direction {str(spec.direction)!r}", direction.base, loaded.base)
    if not judges_refusals(spec.judge, spec.judging):
        try_on(judge, spec.judge, [prompt.prompt for prompt in suite.harmful])
    made_by = made_by_of(spec, loaded, judge, suite)
    drawn = [random_direction(direction, spec.seed * 1000 + draw) for draw in range(spec.draws)]
    left_out: dict[str, Direction | None] = {
        UNTOUCHED: None,
        PROJECTED: direction,
        **dict(zip(_names(spec), drawn, strict=True)),
    }
    with claimed(spec.out, settings_of(spec, loaded, judge, made_by) | {"projected_out": hash_of(direction)}):
        for place, (name, without) in enumerate(left_out.items()):
            if not (path := spec.out / name).is_file():
                with projected_out(loaded.model, without) if without else nullcontext():
                    evaluation = evaluate(loaded, judge, suite, spec.generation)
                named = _named(spec, loaded.base, name, without)
                save_evaluation(path, replace(evaluation, made_by={**made_by, **named}))
            progress("evaluations without a direction", place + 1, len(left_out))
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
