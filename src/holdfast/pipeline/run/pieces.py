"""The pieces of a run: located weights, and evaluated treatments of a model. Each is made from files of others."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from holdfast.arms import arm_named
from holdfast.artifacts import save_json
from holdfast.intervene.train.methods import method_named
from holdfast.made_by import UTILITY
from holdfast.objective.registry import DEFAULT
from holdfast.pipeline import scoring, tuning, verifying
from holdfast.pipeline.evaluating import evaluate_recipe
from holdfast.pipeline.masks import select_as_shared
from holdfast.pipeline.options import EnhanceObjective, SuiteFiles
from holdfast.pipeline.recipe import Recipe
from holdfast.pipeline.run.config import RunConfig
from holdfast.pipeline.run.layout import enhance_options, enhanced_files, masks_of, noise_draws
from holdfast.pipeline.run.linking import link_file, link_folder
from holdfast.pipeline.run.story import locate_section
from holdfast.pipeline.scoring_files import files_of, remove_rest
from holdfast.pipeline.scoring_spec import ScoringSpec
from holdfast.progress import Progress, silent
from holdfast.prompts.template_arguments import with_arguments_of


def locate(
    config: RunConfig,
    model: str,
    folder: Path,
    objective: EnhanceObjective = DEFAULT,
    copies: Sequence[Path] = (),
    progress: Progress = silent,
) -> None:
    """Scores a model for safety and utility and selects every mask. The folders in `copies` get links to the files."""
    scores, utility = folder / "scores.safetensors", folder / "utility.safetensors"
    if not _is_scored(scores):
        _score(config, model, scores, objective, progress)
    if config.calibration.utility and not _is_scored(utility):
        spec = ScoringSpec(model=model, prompts=config.calibration.utility, out=utility, seed=config.seed)
        scoring.score_model(replace(spec, options=config.given_options(UTILITY)), progress)
    for name in masks_of(config):
        cut(config, folder, name, folder / "masks" / f"{name}.safetensors")
    save_json(folder / "section.json", locate_section(config, model, folder))
    for copy in copies:
        link_folder(folder, copy)


def _is_scored(scores: Path) -> bool:
    """True where scores and those of both halves exist. Otherwise the files of an incomplete scoring are removed."""
    if all(path.is_file() for path in files_of(scores)):
        return True
    remove_rest(scores)
    return False


def _score(config: RunConfig, model: str, scores: Path, objective: EnhanceObjective, progress: Progress) -> None:
    """Scores a model for safety, with the inputs that the objective needs."""
    spec = ScoringSpec(model=model, prompts=config.harmful, out=scores, seed=config.seed)
    if refusals := config.refusals_to_score(objective):
        spec = replace(spec, prompts=refusals, options=config.given_options(config.scored_by(objective)))
    else:
        judged = {"judge": config.judge, "judging": config.judging, "generation": config.calibrate}
        spec = replace(spec, options=config.score, **judged)
    scoring.score_model(spec, progress)


def cut(config: RunConfig, folder: Path, selector: str, path: Path) -> None:
    """Writes one mask from a folder's scores, unless it exists."""
    if not path.is_file():
        shared, utility = {**config.select.model_dump(), "seed": config.seed}, folder / "utility.safetensors"
        select_as_shared(folder / "scores.safetensors", selector, path, shared=shared, utility=utility)


def verify(config: RunConfig, out: Path, arm: str, ratio: float, progress: Progress = silent) -> None:
    """Evaluates safety and utility under every draw of noise of one strength on one mask."""
    mask = arm_named("verify", arm).mask
    spec = verifying.NoiseSpec(
        model=config.model,
        judge=config.judge,
        mask=out / "locate" / "masks" / f"{mask}.safetensors",
        files=SuiteFiles(harmful=config.suite.harmful, questions=config.suite.questions),
        draws=noise_draws(config, ratio),
        out=out / "verify" / arm,
        limit=config.verify.limit,
        judging=config.judging,
        generation=config.generate,
    )
    verifying.verify(spec, progress)


def enhance(config: RunConfig, out: Path, arm: str, progress: Progress = silent) -> None:
    """Tunes the unaligned model with one mask, or all of it, and evaluates the result."""
    folder, row = out / "enhance" / arm, arm_named("enhance", arm)
    mask = out / "enhance" / "locate" / "masks" / f"{row.mask}.safetensors" if row.mask else None
    assert config.unaligned is not None
    assert config.refusals is not None
    if not all(path.is_file() for path in enhanced_files(out, arm)):
        options = enhance_options(config, arm)
        tuning.enhance_model(
            config.unaligned, mask, config.refusals, folder, options=options, method=row.method, progress=progress
        )
    tuned = with_arguments_of(str(folder / "model"), config.unaligned)
    evaluate(config, tuned, folder / "evaluation.json", task=False, progress=progress)


def adapt(config: RunConfig, out: Path, arm: str, progress: Progress = silent) -> None:
    """Fine-tunes the aligned model on the task, with one mask held or none, and evaluates the result."""
    folder, row = out / "adapt" / arm, arm_named("adapt", arm)
    assert config.task is not None
    if not (folder / "result.json").is_file():
        tuning.adapt_model(
            config.model,
            out / "locate" / "masks" / f"{row.mask}.safetensors" if row.mask else None,
            config.task,
            folder,
            options=config.adapt.model_copy(update={"seed": config.seed, **row.options}),
            method=row.method,
            method_options=config.methods.only(method_named(row.method).options),
            safety=config.safety_of(arm),
            progress=progress,
        )
    tuned = with_arguments_of(str(folder / "model"), config.model)
    evaluate(config, tuned, folder / "evaluation.json", task=True, progress=progress)


def evaluate(
    config: RunConfig,
    model: str,
    path: Path,
    *,
    task: bool,
    copies: Sequence[Path] = (),
    progress: Progress = silent,
) -> None:
    """Evaluates a checkpoint on the whole suite, unless that is done. Copies are links to the same file."""
    if not path.is_file():
        files = config.suite if task else config.suite.model_copy(update={"task": None})
        asked = {"judging": config.judging, "generation": config.generate}
        evaluate_recipe(Recipe(model=model, judge=config.judge, suite=files, **asked), path, progress=progress)
    for copy in copies:
        link_file(path, copy)
