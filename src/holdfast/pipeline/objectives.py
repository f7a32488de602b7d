"""Makes objectives by name from a model, prompts and a judge, and refuses contradicting options."""

from collections.abc import Sequence
from pathlib import Path

from holdfast.judge.ask import Judge
from holdfast.models.load import LoadedModel
from holdfast.models.options import GenerateOptions
from holdfast.objective.material import Made, Material
from holdfast.objective.registry import OBJECTIVES, takes_gradient
from holdfast.pipeline.judges import differentiable
from holdfast.pipeline.options import NeuronOptions, ScoringOptions
from holdfast.progress import Progress, silent
from holdfast.records import Exchange
from holdfast.score import NEURON_SCORES, SCORES

SAMPLES = 4
"""Default number of responses a prompt for objectives that compare samples."""


def refuse_contradictions(
    options: ScoringOptions, generation: GenerateOptions, neurons: NeuronOptions = NeuronOptions()
) -> None:
    """Raises ValueError for a method of another unit, or a given setting that the objective cannot have.

    It runs before any response is generated. Defaults contradict nothing.
    """
    refuse_other_unit(neurons.method(options), neurons.unit)
    record = OBJECTIVES[options.objective]
    if options.reduction not in (None, *record.reductions):
        only = record.reductions[0]
        raise ValueError(f"{options.objective} is a {only} over tokens; leave the reduction out, or set it to {only}.")
    if record.samples:
        _refuse_unsampled(options.objective, generation)


def refuse_other_unit(method: str, unit: str) -> None:
    """Raises ValueError for a method that scores another unit."""
    methods, others, other = (
        (SCORES, NEURON_SCORES, "neuron") if unit == "weight" else (NEURON_SCORES, SCORES, "weight")
    )
    if method in others and method not in methods:
        known = ", ".join(methods)
        raise ValueError(f"method {method} scores {other}s, not {unit}s; choose one of {known}, or score {other}s.")
    methods[method]


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

    An objective that samples uses responses at temperature 1, by default 4 a prompt. All others follow the generation
    options.

    Args:
        options: options of the scoring.
        loaded: the model.
        folder: folder that keeps responses. Responses that it already holds are not generated again.
        judge: judge of the responses, for an objective that uses one.
        prompts: prompts that the model answers.
        exchanges: exchanges for an objective of given responses.
        generation: options of generation.
        seed: seed of a relaxation's noise.
        progress: called after each generated response.

    Raises:
        ValueError: the model's logits are not finite, or the judge has no verdict on most responses, lacks a needed
            gradient, or finds all responses to each prompt equally safe. An objective that uses the judge's gradient
            checks the verdicts on the first 64 responses.
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
    """Returns the options at temperature 1, with several responses a prompt."""
    samples = generation.num_samples if generation.num_samples > 1 else SAMPLES
    return generation.model_copy(update={"temperature": 1.0, "num_samples": samples})
