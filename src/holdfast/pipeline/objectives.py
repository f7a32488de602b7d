"""Objectives by name: what their options contradict, and how each is made of a model, prompts and a judge."""

from collections.abc import Sequence
from pathlib import Path

from holdfast.judge.ask import Judge
from holdfast.models.load import LoadedModel
from holdfast.models.options import GenerateOptions
from holdfast.objective.material import Made, Material
from holdfast.objective.registry import OBJECTIVES, takes_gradient
from holdfast.pipeline.judges import differentiable
from holdfast.pipeline.options import ScoringOptions
from holdfast.progress import Progress, silent
from holdfast.records import Exchange
from holdfast.score.registry import SCORES

SAMPLES = 4
"""Responses a prompt of a sampled objective where the generation options name none: it compares them."""


def refuse_contradictions(options: ScoringOptions, generation: GenerateOptions) -> None:
    """Raises ValueError when the method is unknown, or a setting that was given is one that the objective cannot have.

    Called before anything is answered. Settings that were left out contradict nothing.
    """
    SCORES[options.method]
    record = OBJECTIVES[options.objective]
    if options.reduction not in (None, *record.reductions):
        only = record.reductions[0]
        raise ValueError(f"{options.objective} is a {only} over tokens; leave the reduction out, or set it to {only}.")
    if record.samples:
        _refuse_unsampled(options.objective, generation)


def _refuse_unsampled(objective: str, generation: GenerateOptions) -> None:
    given = generation.model_fields_set
    if "temperature" in given and generation.temperature != 1:
        raise ValueError(
            f"{objective} samples at temperature 1, got temperature={generation.temperature:g}; leave it out."
        )
    if "num_samples" in given and generation.num_samples == 1:
        raise ValueError(
            f"{objective} compares responses to the same prompt, got num_samples=1; give 2 or more, or leave "
            f"it out for {SAMPLES}."
        )


def make_objective(
    options: ScoringOptions,
    loaded: LoadedModel,
    folder: Path,
    *,
    judge: Judge | None = None,
    prompts: Sequence[str] = (),
    exchanges: Sequence[Exchange] = (),
    generation: GenerateOptions = GenerateOptions(),
    seed: int = 0,
    progress: Progress = silent,
) -> Made:
    """Makes the objective that the options name, from the exchanges, or from responses to the prompts.

    A sampled objective takes responses at temperature 1, 4 a prompt where the generation options leave the number out.
    All others take them as those options say.

    Args:
        options: of the scoring.
        loaded: the model.
        folder: keeps responses as they come, and those that are there are not generated again.
        judge: of the responses, where the objective takes one.
        prompts: those that the model answers.
        exchanges: those whose responses the objective reads, where it is given responses.
        generation: how responses are made.
        seed: of a relaxation's noise.
        progress: called as responses are made.

    Raises:
        ValueError: the model is broken, the judge has no verdict on most of the responses (the first 64 where its
            gradient is taken), has no gradient where one is taken, or finds all responses to a prompt equally safe.
    """
    record = OBJECTIVES[options.objective]
    if takes_gradient(record):
        assert judge is not None
        judge = differentiable(judge, record.name)
    material = Material(
        name=record.name,
        loaded=loaded,
        folder=folder,
        judge=judge,
        prompts=prompts,
        exchanges=exchanges,
        generation=sampled(generation) if record.samples else generation,
        reduction=options.reduction or record.reductions[0],
        relaxation=options.relaxation,
        temperature=options.temperature,
        seed=seed,
        progress=progress,
    )
    return record.make(material)


def sampled(generation: GenerateOptions) -> GenerateOptions:
    """Returns the same options at temperature 1, with several responses a prompt."""
    samples = generation.num_samples if generation.num_samples > 1 else SAMPLES
    return generation.model_copy(update={"temperature": 1.0, "num_samples": samples})
