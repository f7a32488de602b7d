"""Common parts of evaluations of one model under temporary changes: metadata, and the settings of their folder."""

from pathlib import Path
from typing import Protocol

from holdfast.artifacts import refuse_other_base
from holdfast.evaluate.suite import Suite
from holdfast.judge.refusal import RefusalJudge
from holdfast.made_by import Made, Meta
from holdfast.models.load import LoadedModel, load_model
from holdfast.models.options import GenerateOptions, refuse_other_engine
from holdfast.pipeline.evaluating import asked_entry, judges_entry
from holdfast.pipeline.inputs import suite_hashes
from holdfast.pipeline.judges import (
    Judge,
    judges_refusals,
    load_judge,
    reading,
    refuse_idle,
    require_usable,
    try_on,
)
from holdfast.pipeline.options import JudgeOptions, SuiteFiles, refuse_samples
from holdfast.pipeline.outputs import refuse_unclaimable
from holdfast.pipeline.rendering import rendering_of
from holdfast.progress import Progress


class MeasuredSpec(Protocol):
    """Inputs of all evaluations of a folder."""

    @property
    def judge(self) -> str:
        """Judge of responses to harmful prompts."""
        ...

    @property
    def judging(self) -> JudgeOptions:
        """Options of the judge."""
        ...

    @property
    def files(self) -> SuiteFiles:
        """The evaluation prompt sets."""
        ...

    @property
    def generation(self) -> GenerateOptions:
        """Settings of the responses."""
        ...

    @property
    def limit(self) -> int | None:
        """Prompts to take from every set. None takes all."""
        ...

    @property
    def seed(self) -> int:
        """Seed of the first draw."""
        ...


class FolderSpec(MeasuredSpec, Protocol):
    """Inputs of all evaluations of a folder, with the model and the folder."""

    @property
    def model(self) -> str:
        """The model."""
        ...

    @property
    def out(self) -> Path:
        """Folder of the evaluations."""
        ...


def require_measurable(spec: FolderSpec) -> None:
    """Raises ValueError for what can be refused without a model: options, the judge, or the folder."""
    refuse_idle(spec.judging, spec.judge)
    refuse_samples(spec.generation)
    refuse_other_engine(spec.generation)
    refuse_unclaimable(spec.out)
    require_usable(spec.judging, spec.judge)


def load_measured(
    spec: FolderSpec, suite: Suite, what: str, made: Made, progress: Progress
) -> tuple[LoadedModel, Judge]:
    """Loads the model and the judge.

    Raises:
        ValueError: either can't be used, or the file that `what` names was made for another model.
    """
    loaded = load_model(spec.model, progress=progress)
    judge = load_judge(spec.judge, spec.judging, progress)
    refuse_other_base(what, made, loaded.base, loaded.name)
    if not judges_refusals(spec.judge, spec.judging):
        try_on(judge, spec.judge, [prompt.prompt for prompt in suite.harmful])
    return loaded, judge


def made_by_of(spec: MeasuredSpec, loaded: LoadedModel, judge: Judge, suite: Suite) -> dict[str, object]:
    """Collects the metadata of the evaluations, as `holdfast evaluate` does."""
    of_harm = not judges_refusals(spec.judge, spec.judging)
    judges = (judge, spec.judge, RefusalJudge()) if of_harm else (None, spec.judge, judge)
    return {
        **judges_entry(*judges, reading(spec.judging)),
        **asked_entry(loaded, spec.files, suite, spec.generation),
        "suite": suite_hashes(spec.files),
    }


def settings_of(spec: MeasuredSpec, loaded: LoadedModel, judge: Judge, made_by: Meta) -> dict[str, object]:
    """Returns the settings that a folder of evaluations depends on, except the change."""
    return {
        "model": loaded.base,
        "judge": [judge.fingerprint, reading(spec.judging)],
        "suite": made_by["suite"],
        "limit": spec.limit,
        "generation": spec.generation.model_dump(mode="json"),
        "rendering": rendering_of(loaded.tokenizer),
        "seed": spec.seed,
    }
