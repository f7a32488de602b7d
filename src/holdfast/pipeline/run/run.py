"""Runs all stages in order: locate, verify, enhance, adapt. Every piece is a file, and the page grows with them.

The run's folder:
    manifest.json               config and its file, versions, hashes of all inputs, seconds of each piece
    report.json, report.html    the results so far
    locate/, enhance/locate/    scores, halves, utility, masks/MASK.safetensors
    verify/ARM/                 an evaluation for each draw of noise
    enhance/ARM/, adapt/ARM/    model/, patch.safetensors (enhance), result.json, evaluation.json
    adapt/start.json, enhance/before.json

A piece whose files exist is not made again. A folder with another config or other inputs is refused.
"""

import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import holdfast
from holdfast.arms import arm_named
from holdfast.artifacts import digest, load_json, save_json, save_text
from holdfast.json_files import JsonObject
from holdfast.made_by import UTILITY
from holdfast.models.load import load_model
from holdfast.objective.registry import DEFAULT
from holdfast.pipeline import scoring, suites, tuning, verifying
from holdfast.pipeline.evaluating import evaluate_model
from holdfast.pipeline.given_exchanges import load_to_enhance
from holdfast.pipeline.going_on import command_of
from holdfast.pipeline.inputs import file_hash
from holdfast.pipeline.judges import Judge, load_judge, require_usable, try_on
from holdfast.pipeline.masks import select_as_shared
from holdfast.pipeline.options import EnhanceObjective, SuiteFiles
from holdfast.pipeline.outputs import refuse_foreign, written_alone
from holdfast.pipeline.rendering import rendering_of
from holdfast.pipeline.run.config import RunConfig
from holdfast.pipeline.run.layout import (
    arms_in,
    enhance_options,
    enhanced_files,
    masks_of,
    noise_draws,
    noise_paths,
    start_file,
    starting_names,
)
from holdfast.pipeline.run.linking import link_file, link_folder
from holdfast.pipeline.run.other_run import refuse_other_inputs, refuse_other_settings, settings_of
from holdfast.pipeline.run.story import locate_section, tell
from holdfast.pipeline.run.workers import Unit, Workers
from holdfast.pipeline.scoring_files import files_of, remove_rest
from holdfast.pipeline.scoring_spec import ScoringSpec
from holdfast.progress import Progress, silent
from holdfast.prompts.template_arguments import with_arguments_of
from holdfast.report.page import render_page
from holdfast.report.records import read_report

LIBRARIES = ("torch", "transformers", "trl", "accelerate", "safetensors")


def run(config: RunConfig, out: Path, progress: Progress = silent, config_file: Path | None = None) -> JsonObject:
    """Runs the pieces of the config that are not done yet, and returns the report.

    `config_file` is the path of the config, so that an unfinished page can name the command that resumes the run.

    Raises:
        ValueError: an input is missing or wrong, calibration and evaluation share prompts, or the folder holds another
            run.
        InvariantError: weights that must keep every bit have changed.
    """

    def tell_pieces() -> None:
        units = [*_first(config, out), *_second(config, out)]
        progress("pieces of the run", sum(unit.is_done for unit in units), len(units))

    page = _Page(config, out)

    def redraw() -> None:
        page.redraw()
        tell_pieces()

    refuse_other_settings(config, out)
    goes_on = (out / "manifest.json").is_file()
    if goes_on:  # at once, because hashing inputs and starting workers can take minutes
        tell_pieces()
    require_usable(config.judging, config.judge)
    overlap = refuse_shared_prompts(config)  # before the folder is claimed, so that a refused run leaves no files
    claim(config, out)
    with written_alone(out):
        named = {"config_file": str(config_file)} if config_file else {}
        save_json(out / "manifest.json", load_json(out / "manifest.json") | {"overlap": overlap} | named)
        if not goes_on:  # not earlier, so that a refused run prints only its error
            tell_pieces()
        with page.caught_up(), Workers(config.workers, config.threads, progress) as workers:
            for units in (_first(config, out), _second(config, out)):
                _timed(workers, units, out, redraw)
        return save_story(config, out)


class _Page:
    """The page of a growing run. It is redrawn after pieces, but not after each of several in quick succession."""

    SHARE = 10
    """Smallest ratio of the time between drawings to the time of one."""

    def __init__(self, config: RunConfig, out: Path) -> None:
        self._config, self._out = config, out
        self._next, self._is_behind = 0.0, False

    def redraw(self) -> None:
        """Redraws the page with all finished pieces, or leaves it for later."""
        started = time.monotonic()
        self._is_behind = started < self._next
        if not self._is_behind:
            save_story(self._config, self._out)
            ended = time.monotonic()
            self._next = ended + self.SHARE * (ended - started)

    @contextmanager
    def caught_up(self) -> Iterator[None]:
        """Redraws an outdated page when the run stops early, for whatever reason."""
        try:
            yield
        except BaseException:
            if self._is_behind:
                save_story(self._config, self._out)
            raise


def save_story(config: RunConfig, out: Path) -> JsonObject:
    """Writes report.json and report.html from the finished pieces."""
    report, missing = tell(config, out), unfinished(config, out)
    if missing:
        report |= {"missing": missing, "goes_on": command_of(config, out, load_json(out / "manifest.json"))}
    save_json(out / "report.json", report)
    save_text(out / "report.html", render_page(read_report(report)))
    return report


def unfinished(config: RunConfig, out: Path) -> list[str]:
    """Lists the pieces of a run with missing files, in the order in which they are made."""
    return [unit.label for unit in (*_first(config, out), *_second(config, out)) if not unit.is_done]


def claim(config: RunConfig, out: Path) -> None:
    """Marks a new folder as this run's, or resumes it. A folder that holds anything else is refused."""
    path = out / "manifest.json"
    if not path.is_file():
        refuse_foreign(out)
    judge = load_judge(config.judge, config.judging)
    inputs = _inputs(config, judge)
    if path.is_file():
        refuse_other_settings(config, out)
        refuse_other_inputs(inputs, out)
        return
    harmful = [prompt.prompt for prompt in suites.load_suite(config.suite).harmful]
    manifest = {
        "run": digest([settings_of(config), inputs, holdfast.__version__]),
        "config": config.model_dump(mode="json"),
        "inputs": inputs,
        "versions": {"holdfast": holdfast.__version__, **{name: version(name) for name in LIBRARIES}},
        "hardware": {"machine": platform.machine(), "system": platform.system(), "python": platform.python_version()},
        "tried": {"judge": try_on(judge, config.judge, harmful)},
        "timings": {},
    }
    save_json(path, manifest)


def refuse_shared_prompts(config: RunConfig) -> JsonObject:
    """Counts evaluation prompts that resemble a calibration or training prompt. Raises ValueError for an equal one.

    It also raises ValueError for prompts that SET should both refuse and help with.
    """
    if config.refusals:
        load_to_enhance(config.refusals.refusals, config.refusals.harmless)
    return suites.refuse_overlap(_made_from(config), config.suite, config.calibration.harmful)


def _made_from(config: RunConfig) -> list[str]:
    """Lists the prompt files that make scores or train a model."""
    training_files = (config.refusals.refusals, config.refusals.harmless) if config.refusals else ()
    return list(filter(None, (config.calibration.harmful, config.calibration.utility, *training_files, config.task)))


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
    spec = ScoringSpec(model=model, prompts=config.calibration.harmful, out=scores, seed=config.seed)
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
    files = SuiteFiles(harmful=config.suite.harmful, questions=config.suite.questions)
    verifying.verify(
        config.model,
        config.judge,
        out / "locate" / "masks" / f"{mask}.safetensors",
        files,
        noise_draws(config, ratio),
        out / "verify" / arm,
        limit=config.verify.limit,
        judging=config.judging,
        generation=config.generate,
        progress=progress,
    )


def enhance(config: RunConfig, out: Path, arm: str, progress: Progress = silent) -> None:
    """Tunes the unaligned model with one mask, or all of it, and evaluates the result."""
    folder, row = out / "enhance" / arm, arm_named("enhance", arm)
    mask = out / "enhance" / "locate" / "masks" / f"{row.mask}.safetensors" if row.mask else None
    assert config.unaligned is not None
    assert config.refusals is not None
    if not all(path.is_file() for path in enhanced_files(out, arm)):
        data, settings = (
            config.refusals,
            {"options": enhance_options(config, arm), "method": row.method, "progress": progress},
        )
        tuning.enhance_model(config.unaligned, mask, data.refusals, data.harmless, folder, **settings)
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
        settings = {"judging": config.judging, "generation": config.generate, "progress": progress}
        evaluate_model(model, config.judge, files, path, **settings)
    for copy in copies:
        link_file(path, copy)


def starting_units(
    config: RunConfig, *, aligned: Path, aligned_start: Path, unaligned: Path, unaligned_start: Path
) -> list[Unit]:
    """Returns the units that all others need: they locate weights (folders) and evaluate untouched models (files)."""

    def locating(label: str, model: str, folder: Path, objective: EnhanceObjective, *copies: Path) -> Unit:
        arguments = {"config": config, "model": model, "folder": folder, "objective": objective, "copies": copies}
        made = [path for place in (folder, *copies) for path in _located_files(config, place)]
        return Unit(label, locate, made, arguments)

    def evaluating(label: str, model: str, path: Path, *copies: Path, task: bool) -> Unit:
        arguments = {"config": config, "model": model, "path": path, "copies": copies, "task": task}
        return Unit(label, evaluate, [path, *copies], arguments)

    names, once, once_evaluated = starting_names(config), config.is_located_once, config.is_evaluated_once
    copy = [unaligned_start] if once_evaluated else []
    units = [
        locating(names.locate, config.model, aligned, config.located_by, *([unaligned] if once else [])),
        evaluating(names.evaluate, config.model, aligned_start, *copy, task=True),
    ]
    if config.unaligned is not None and not once:
        units += [locating(names.locate_for_set, config.unaligned, unaligned, config.enhance_objective)]
    if config.unaligned is not None and not once_evaluated:
        units += [evaluating(names.evaluate_for_set, config.unaligned, unaligned_start, task=False)]
    return units


def _located_files(config: RunConfig, folder: Path) -> list[Path]:
    return [*(folder / "masks" / f"{name}.safetensors" for name in masks_of(config)), folder / "section.json"]


def _first(config: RunConfig, out: Path) -> list[Unit]:
    return starting_units(
        config,
        aligned=out / "locate",
        aligned_start=start_file(out, "adapt"),
        unaligned=out / "enhance" / "locate",
        unaligned_start=start_file(out, "enhance"),
    )


def _second(config: RunConfig, out: Path) -> list[Unit]:
    """Returns the units that can run side by side once the masks exist, the longest last, so that no core waits."""
    noise = [
        _unit(f"noise {ratio:g} on {arm.name}", verify, files, config, out, arm=arm.name, ratio=ratio)
        for ratio in config.verify.ratios
        for arm in arms_in(config, "verify")
        for files in [noise_paths(config, out, arm.name, ratio)]
    ]
    tuned = [
        _unit(f"enhance {arm.name}", enhance, files, config, out, arm=arm.name)
        for arm in arms_in(config, "enhance")
        for files in [[*enhanced_files(out, arm.name), out / f"enhance/{arm.name}/evaluation.json"]]
    ]
    adapted = [
        _unit(f"adapt {arm.name}", adapt, files, config, out, arm=arm.name)
        for arm in arms_in(config, "adapt")
        for files in [[out / f"adapt/{arm.name}/{name}.json" for name in ("result", "evaluation")]]
    ]
    return noise + tuned + adapted


def _unit(
    label: str, make: Callable[..., None], files: list[Path], config: RunConfig, out: Path, **arguments: object
) -> Unit:
    return Unit(label, make, files, {"config": config, "out": out, **arguments})


def _timed(workers: Workers, units: list[Unit], out: Path, redraw: Callable[[], object]) -> None:
    """Runs units, records each one's seconds in the manifest, and redraws the page after each.

    Seconds that an interrupted run spent on an unfinished unit are not counted.
    """

    def finished(unit: Unit, seconds: float) -> None:
        manifest = load_json(out / "manifest.json")
        manifest["timings"][unit.label] = round(seconds, 1)
        save_json(out / "manifest.json", manifest)
        redraw()

    workers.run(units, finished)


def _inputs(config: RunConfig, judge: Judge) -> dict[str, str]:
    """Hashes all inputs: the models' weights and renderings, the judge, and the bytes of the prompt files."""
    suite = config.suite
    files = [*_made_from(config), *suite.harmful, suite.harmless, suite.borderline, suite.questions, suite.task]
    hashes = {}
    for name in filter(None, (config.model, config.unaligned)):
        loaded = load_model(name)
        hashes |= {name: loaded.base, f"{name}, as it renders": rendering_of(loaded.tokenizer)}
    hashes[config.judge] = judge.fingerprint
    for file in files:
        if file is not None:
            hashes[file] = file_hash(file)
    return hashes
