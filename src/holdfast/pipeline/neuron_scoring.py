"""Scores the neurons of a model on files. It keeps each example's attributions, so that an interrupted scoring resumes.

Beside the scores and those of two halves it writes the scores by example, from which the selector votes selects.
"""

import logging
from pathlib import Path

from holdfast.artifacts import save_scores
from holdfast.made_by import prompts_entry
from holdfast.models.load import LoadedModel, load_model
from holdfast.pipeline.inputs import digest_of
from holdfast.pipeline.outputs import unfinished
from holdfast.pipeline.scoring_files import examples_of, files_of, remove_beside, responses_of, save_responses
from holdfast.pipeline.scoring_sources import ComparedPrompts, GivenExchanges, JudgedPrompts
from holdfast.pipeline.scoring_spec import Scored, ScoringSpec
from holdfast.progress import Progress, step
from holdfast.prompts.chat import encode_prompt
from holdfast.prompts.sources import load_prompts
from holdfast.records import Prompt
from holdfast.score.integrated_gradients import ALLOWED_GAP
from holdfast.score.neurons import NeuronScoreOptions, NeuronScores, Others, score_neurons

logger = logging.getLogger(__name__)


def score_neurons_to_files(source: GivenExchanges | JudgedPrompts | ComparedPrompts, progress: Progress) -> Scored:
    """Writes scores of neurons, of two halves of the prompts, and by example.

    Raises:
        ValueError: as `score_neurons` does.
    """
    spec = source.spec
    others = load_prompts(spec.neurons.against) if spec.neurons.against else []  # before the model is loaded
    loaded = load_model(spec.model, progress=progress)
    settings = {**spec.settings(loaded), **source.settings, "against": digest_of(others)}
    with unfinished(spec.out, settings) as folder:
        made = source.make(loaded, folder, progress)
        beside = {**source.beside(made.responses), **_against(spec, others)}
        scores = score_neurons(
            loaded, made.objective, _options(spec), progress, keep=folder, beside=beside,
            others=_encoded(loaded, others),
        )  # fmt: skip
        if spec.overwrite:
            remove_beside(spec.out)
        if made.responses:
            save_responses(responses_of(spec.out), made.responses)
        with step(progress, "saving scores"):
            _save(spec.out, scores)
    warn_of_gap(scores.completeness_error)
    whole = scores.halved.whole
    largest = {name: float(entries.max()) for name, entries in whole.entries.items()}
    return Scored(whole, largest, completeness_error=scores.completeness_error)


def warn_of_gap(error: float | None) -> None:
    """Logs a warning if attributions miss more of the differences than a twentieth."""
    if error is not None and error > ALLOWED_GAP:
        logger.warning(
            "the attributions miss %.0f%% of the differences that they should add up to (up to %.0f%% is usual); take "
            "more steps of integrated gradients, or another method than alpha_weighted.",
            100 * error,
            100 * ALLOWED_GAP,
        )


def _options(spec: ScoringSpec) -> NeuronScoreOptions:
    method, given = spec.neurons.method(spec.options), spec.neurons
    budget = spec.options.token_budget
    return NeuronScoreOptions(method=method, steps=given.steps, rule=given.rule, token_budget=budget, seed=spec.seed)


def _against(spec: ScoringSpec, others: list[Prompt]) -> dict[str, object]:
    return {"against": prompts_entry(others, spec.neurons.against)} if others else {}


def _encoded(loaded: LoadedModel, others: list[Prompt]) -> Others | None:
    if not others:
        return None
    prompts = [record.prompt for record in others]
    return Others(prompts, [encode_prompt(loaded.tokenizer, prompt) for prompt in prompts])


def _save(out: Path, scores: NeuronScores) -> None:
    """Writes all files, that of all prompts last: if it exists, all do."""
    if scores.by_example is not None:
        save_scores(examples_of(out), scores.by_example)
    parts = (scores.halved.whole, scores.halved.first, scores.halved.second)
    for path, part in reversed(list(zip(files_of(out), parts, strict=True))):
        save_scores(path, part)
