"""Evaluates a checkpoint on files. It keeps the responses, so that an interrupted evaluation resumes.

During an evaluation the folder OUT.unfinished holds the responses as they come. They depend on the model, the prompts
and the generation options, not on the judge. So an evaluation that stopped because of its judge can resume with
another.
"""

import logging
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import cast

from holdfast.artifacts import save_evaluation
from holdfast.evaluate.cards import REFUSAL_JUDGE_NAME
from holdfast.evaluate.contained import warning_of_contained
from holdfast.evaluate.lm_eval_tasks import LmEval
from holdfast.evaluate.recorded import generation_entry
from holdfast.evaluate.suite import Suite, evaluate, refuse_judged_settings
from holdfast.judge import coherence
from holdfast.judge.options import REFUSAL_RULES
from holdfast.made_by import Meta, model_entry, version
from holdfast.models.asking import end_ids, is_cut_by_context
from holdfast.models.generate import Generator, generate
from holdfast.models.gguf_file import gguf_entry, is_gguf, load_checkpoint
from holdfast.models.load import LoadedModel
from holdfast.models.options import GenerateOptions
from holdfast.models.response_log import ResponseLog
from holdfast.models.served import ServedModel, connect
from holdfast.models.tables import context_of
from holdfast.models.vllm_generator import VllmGenerator, refuse_missing_engine
from holdfast.outcomes import Evaluation, Rate
from holdfast.pipeline.inputs import suite_hashes
from holdfast.pipeline.judges import (
    Judge,
    is_refusal_classifier,
    judges_refusals,
    load_judge,
    reading,
    refusal_judge,
    refuse_unjudged,
    refuse_unscored,
    require_refusal_judge,
    require_usable,
    second_path,
    try_on,
)
from holdfast.pipeline.options import JudgeOptions, MeasureOptions, SuiteFiles
from holdfast.pipeline.outputs import refuse_existing, unfinished
from holdfast.pipeline.recipe import RECIPE_ENTRIES, Recipe, recipe_entry
from holdfast.pipeline.reference import load_reference, reference_divergences, refuse_idle_reference
from holdfast.pipeline.rendering import rendering_of, suite_rendering
from holdfast.pipeline.served import refuse_unreadable, served_entry
from holdfast.pipeline.steered_model import Steering, load_steering
from holdfast.pipeline.suites import load_suite
from holdfast.progress import Progress, silent
from holdfast.prompts.chat import PLAIN_FORMAT, has_chat_template
from holdfast.prompts.default_system import default_system_prompt

logger = logging.getLogger(__name__)
OF_JUDGES = ("judge", "refusal_judge", REFUSAL_JUDGE_NAME, "coherence")
"""Entries of the provenance that responses do not depend on."""


def load_second_judge(
    name: str, files: SuiteFiles, out: Path, options: JudgeOptions, progress: Progress = silent
) -> Judge:
    """Loads the judge that judges the evaluation in `out` a second time.

    Raises:
        ValueError: the judge has nothing to judge, says refused or complied, or has already judged this evaluation.
    """
    if name == REFUSAL_RULES:
        raise ValueError(
            "a second judge says safe or unsafe, and the refusal rules say refused or complied, which is measured "
            "anyway; name a guard model, a classifier or api:MODEL."
        )
    if not files.harmful:
        raise ValueError("a second judge judges the responses to harmful prompts, and there are none; give --harmful.")
    if is_refusal_classifier(name, options):
        raise ValueError(
            f"a second judge says safe or unsafe, and {name!r} says refused or answered; give it as --refusal-judge."
        )
    refuse_existing(second_path(out))
    judge = load_judge(name, options, progress)
    try_on(judge, name, [prompt.prompt for prompt in load_suite(files).harmful])
    return judge


def evaluate_recipe(
    recipe: Recipe, out: Path, *, check: Callable[[Meta], object] = lambda made_by: None, progress: Progress = silent
) -> Evaluation:
    """Writes the evaluation of a recipe, with every answer. Judged by `refusal`, it measures no attack success.

    Args:
        recipe: the checkpoint, the judges, the prompt sets and all options.
        out: file for the evaluation.
        check: called with the provenance before any response is made. It may raise ValueError.
        progress: called after every batch.

    Raises:
        ValueError: an input is missing or wrong, or the judge has no verdict on any response to a harmful prompt.
        ConnectionError: the server or a judge behind an API is down, or refuses the key.
    """
    refuse_existing(out)
    ready = _load(recipe, progress)
    check(ready.made_by)
    with unfinished(out, _kept_with(ready, recipe.generation), keep_refused=True) as folder:
        steering, model = ready.steering, ready.model
        with steering.moving(model) if steering and isinstance(model, LoadedModel) else nullcontext():
            evaluation = _measured(ready, recipe, folder, progress)
        save_evaluation(out, evaluation)
    if steering:
        steering.warn_of_breaking(evaluation)
    return evaluation


@dataclass(frozen=True)
class _Ready:
    """The loaded inputs of an evaluation, with their provenance."""

    suite: Suite
    harness: LmEval | None
    guard: Judge | None
    """Judge of harm. None where refusals alone are judged."""
    refusal: Judge
    model: LoadedModel | ServedModel
    reference: LoadedModel | None
    made_by: Meta
    steering: Steering | None = None


def _load(recipe: Recipe, progress: Progress) -> _Ready:
    """Checks the settings, then loads the judges, which are tried, and the models."""
    judge, refusals, judging = recipe.judge, recipe.refusal_judge, recipe.judging
    refuse_unreadable(recipe)
    refuse_missing_engine(recipe.generation)
    further = {"prefill": recipe.measures.prefill or "", "judge_thoughts": recipe.measures.judge_thoughts}
    suite = replace(load_suite(recipe.suite), **further)
    steering = load_steering(recipe.steering)
    if steering:
        steering.refuse_shared(suite)
    refuse_idle_reference(suite, recipe.measures)
    require_usable(judging, judge, refusals)
    of_harm = not judges_refusals(judge, judging)
    if not of_harm:
        refuse_judged_settings(suite)
        refusals = refusals or judge
    if refusals:
        require_refusal_judge(refusals)
    harness = LmEval(recipe.lm_eval) if recipe.lm_eval.tasks else None
    server = connect(recipe.served, recipe.generation) if recipe.model is None else None
    guard = load_judge(judge, judging, progress) if of_harm else None
    refusal = refusal_judge(refusals, judging, progress)
    tried = _try_judges(guard, judge, refusal, refusals, suite)
    model = server or load_checkpoint(str(recipe.model), progress)
    if steering and isinstance(model, LoadedModel):
        steering.require_model(model)
    reference = load_reference(model, recipe.measures, progress) if isinstance(model, LoadedModel) else None
    made_by = {
        **_model_entry(model, recipe, suite, reference, steering),
        **judges_entry(guard, judge, refusal, _reading(judging, recipe.measures)),
        **({} if refusals in (None, REFUSAL_RULES) else {REFUSAL_JUDGE_NAME: refusals}),
        "coherence": {"rules": coherence.fingerprint()},
        **tried,
        **recipe_entry(recipe, model),
    }
    return _Ready(suite, harness, guard, refusal, model, reference, made_by, steering)


def _model_entry(
    model: LoadedModel | ServedModel,
    recipe: Recipe,
    suite: Suite,
    reference: LoadedModel | None,
    steering: Steering | None,
) -> dict[str, object]:
    """Returns the entries of provenance that describe the model and how its responses are made."""
    if isinstance(model, ServedModel):
        return served_entry(model, recipe.suite, recipe.generation)
    name = str(recipe.model)
    entry: dict[str, object] = {**model_entry(name, model.base)}
    entry |= {"gguf": gguf_entry(name)} if is_gguf(name) else {}
    return {
        **(steering.entries(entry) if steering else {"model": entry}),
        **asked_entry(model, recipe.suite, suite, recipe.generation, recipe.measures, reference),
        "responses": {"end_ids": sorted(end_ids(model.model, model.tokenizer)), "context": None},
    }


def _kept_with(ready: _Ready, generation: GenerateOptions) -> dict[str, object]:
    """Returns the settings that kept responses depend on. A resumed generation has to make the same batches."""
    settings = {name: None if name in OF_JUDGES else value for name, value in ready.made_by.items()}
    settings = {name: value for name, value in settings.items() if name not in (*RECIPE_ENTRIES, "tried")}
    settings |= {REFUSAL_JUDGE_NAME: None}
    if isinstance(ready.model, ServedModel):
        return settings
    settings |= {"token_budget": generation.token_budget}
    return settings | {"rendering": rendering_of(ready.model.tokenizer)}  # for any selection of sets


def _measured(ready: _Ready, recipe: Recipe, folder: Path, progress: Progress) -> Evaluation:
    """Makes and judges the responses. The folder keeps them as they come."""
    model, suite, generation = ready.model, ready.suite, recipe.generation
    made_by = dict(ready.made_by)
    log = ResponseLog(folder / "responses.jsonl")
    options = {"refusal_judge": ready.refusal, "generator": _generator(model, generation, log), "made_by": made_by}
    evaluation = evaluate(model, ready.guard, suite, generation, progress, **options)
    for measure, questions in {"utility": suite.questions, "task": suite.task}.items():
        if contained := warning_of_contained(questions, evaluation.answers, measure):
            logger.warning(contained)
    refuse_unjudged(evaluation)
    refuse_unscored(evaluation)
    if isinstance(model, ServedModel):
        return evaluation
    if any(is_cut_by_context(response, generation) for response in log.known.values()):
        made_by["responses"] = {**cast(Meta, made_by["responses"]), "context": context_of(model.model)}
    groups = {**evaluation.groups, **_divergences(model, ready, generation, folder, progress)}
    if ready.harness:
        rates, made_by["lm_eval"] = ready.harness.measure(model)
        groups |= rates
    return replace(evaluation, groups=groups, made_by=made_by)


def _divergences(
    model: LoadedModel, ready: _Ready, generation: GenerateOptions, folder: Path, progress: Progress
) -> dict[str, Rate]:
    """Measures the divergence from the reference. Empty where there is no reference."""
    if ready.reference is None:
        return {}
    answering = _generator(ready.reference, generation, ResponseLog(folder / "reference.jsonl"))
    return reference_divergences(model, ready.reference, ready.suite, answering, generation, progress)


def _try_judges(
    guard: Judge | None, name: str, refusal: Judge, refusals: str | None, suite: Suite
) -> dict[str, object]:
    """Tries the judges on two known exchanges and returns their verdicts. Empty where no prompt needs a judge."""
    harmful = [prompt.prompt for prompt in suite.harmful]
    tried = {"judge": try_on(guard, name, harmful)} if guard and harmful else {}
    tried |= {"refusal_judge": try_on(refusal, refusals, harmful)} if refusals not in (None, REFUSAL_RULES) else {}
    return {"tried": tried} if tried else {}


def _reading(judging: JudgeOptions, measures: MeasureOptions) -> dict[str, object]:
    """Returns the settings of judging. Settings newer than old files appear only where they are set."""
    return reading(judging) | ({"thoughts": True} if measures.judge_thoughts else {})


def judges_entry(guard: Judge | None, name: str, refusal: Judge, settings: Mapping[str, object]) -> dict[str, object]:
    """Returns the metadata of the judge of harm, if any, with its settings, and of the judge of refusals."""
    judge = guard and {"name": name, "fingerprint": guard.fingerprint, "reading": dict(settings)}
    return {"judge": judge, "refusal_judge": refusal.fingerprint}


def asked_entry(
    loaded: LoadedModel,
    files: SuiteFiles,
    suite: Suite,
    generation: GenerateOptions,
    measures: MeasureOptions = MeasureOptions(),
    reference: LoadedModel | None = None,
) -> dict[str, object]:
    """Returns the settings, except the judges, that two comparable evaluations share, with the package's version."""
    settings = generation_entry(generation)
    settings |= {"prefill": measures.prefill} if measures.prefill else {}
    # A model prompted in another format counts as another model, so the two are not compared.
    settings |= {} if has_chat_template(loaded.tokenizer) else {"chat_format": PLAIN_FORMAT}
    system = default_system_prompt(loaded.tokenizer)
    return {
        "generation": settings,
        **({"system_prompt": system} if system else {}),
        "suite": suite_hashes(files),
        **({"reference": {"name": reference.name, "fingerprint": reference.base}} if reference else {}),
        **version(),
        "rendering": suite_rendering(loaded.tokenizer, suite),
    }


def _generator(model: LoadedModel | ServedModel, options: GenerateOptions, log: ResponseLog) -> Generator:
    """Returns the generator for the model and the engine of the options, which keeps responses in a log."""
    if isinstance(model, ServedModel):
        return partial(model, log=log)
    if options.engine == "vllm":
        return VllmGenerator(model, log)
    return partial(generate, model.model, model.tokenizer, log=log)
