"""Common parts of evaluations of one model under temporary changes: metadata, and the settings of their folder."""

from typing import Protocol

from holdfast.evaluate.suite import Suite
from holdfast.judge.refusal import RefusalJudge
from holdfast.made_by import Meta
from holdfast.models.load import LoadedModel
from holdfast.models.options import GenerateOptions
from holdfast.pipeline.evaluating import asked_entry, judges_entry
from holdfast.pipeline.inputs import suite_hashes
from holdfast.pipeline.judges import Judge, judges_refusals, reading
from holdfast.pipeline.options import JudgeOptions, SuiteFiles
from holdfast.pipeline.rendering import rendering_of


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
