"""Evaluates a model under noise on the weights of a mask, one file a draw, and restores it bit for bit.

A folder that `holdfast verify` writes:
    settings.json, untouched.json        settings of the verification, and the evaluation without noise
    summary.json                         rates at every noise ratio, and the paired tests of mask and control
    noise_RATIO_draw_NUMBER.json         an evaluation for each draw of noise on the mask
    control/                             settings.json and the same draws on a control mask, if there is one
"""

import logging
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import torch

from holdfast.artifact_files import explained
from holdfast.artifacts import (
    digest,
    load_evaluation,
    load_json,
    load_mask,
    refuse_other_base,
    save_evaluation,
    save_json,
)
from holdfast.evaluate.suite import Suite, evaluate
from holdfast.evaluate.verified import Verified
from holdfast.intervene.edit.options import SteeringOptions
from holdfast.intervene.edit.perturb import perturbed
from holdfast.intervene.entries import mask_digest
from holdfast.made_by import Meta, model_entry
from holdfast.models.load import LoadedModel, load_model
from holdfast.models.options import GenerateOptions, refuse_other_engine
from holdfast.outcomes import Evaluation
from holdfast.pipeline.changed_model import made_by_of, settings_of
from holdfast.pipeline.given_exchanges import load_refusals
from holdfast.pipeline.inputs import set_hash, suite_hashes
from holdfast.pipeline.judges import Judge, judges_refusals, load_judge, refuse_idle, require_usable, try_on
from holdfast.pipeline.options import JudgeOptions, SuiteFiles, refuse_samples
from holdfast.pipeline.outputs import claimed, refuse_unclaimable
from holdfast.pipeline.steered_model import Steering, load_steering
from holdfast.pipeline.suites import load_suite, warn_of_shared
from holdfast.pipeline.verified_json import verified_json
from holdfast.progress import Progress, silent, step, steps_of
from holdfast.select.neurons import neuron_weights
from holdfast.values import Mask

logger = logging.getLogger(__name__)
UNTOUCHED = "untouched.json"
"""File of the evaluation without noise, beside those of the draws."""
SUMMARY = "summary.json"
"""File of the rates and of the paired tests."""
CONTROL = "control"
"""Folder of the control's draws."""


@dataclass(frozen=True)
class NoiseDraw:
    """One draw of noise on one mask."""

    ratio: float
    draw: int
    seed: int

    @property
    def stem(self) -> str:
        """Name of the draw's file, without suffix."""
        return f"noise_{self.ratio:g}_draw_{self.draw}"


def noise_draws(ratio: float, draws: int, seed: int) -> list[NoiseDraw]:
    """Returns the draws of noise of one strength. All masks and strengths get the same seeds."""
    return [NoiseDraw(ratio, draw, seed * 1000 + draw) for draw in range(draws)]


@dataclass(frozen=True, kw_only=True)
class NoiseSpec:
    """All inputs of a verification."""

    model: str
    judge: str
    """Judge of responses to harmful prompts."""
    mask: Path
    """File of the mask whose weights get noise."""
    files: SuiteFiles
    """The evaluation prompt sets."""
    draws: Sequence[NoiseDraw]
    out: Path
    """Folder of the evaluations."""
    control: Path | None = None
    """File of a control mask that gets the same draws, in a subfolder."""
    refusals: str | None = None
    """Set of harmful prompts with refusals, whose perplexity is measured."""
    limit: int | None = None
    """Prompts to take from every set. None takes all."""
    judging: JudgeOptions = field(default_factory=JudgeOptions)
    generation: GenerateOptions = field(default_factory=GenerateOptions)
    steering: SteeringOptions = field(default_factory=SteeringOptions)
    """Direction along which the model is steered in all evaluations, the untouched one too."""
    seed: int = 0
    """Seed of the first draw."""


def verify(spec: NoiseSpec, progress: Progress = silent) -> list[Evaluation]:
    """Evaluates the model under each draw of noise on the mask's entries, one file a draw. Existing files are kept."""
    paths = [spec.out / f"{draw.stem}.json" for draw in spec.draws]
    if not all(path.is_file() for path in paths):
        suite = replace(load_suite(spec.files, spec.limit), exchanges=())  # a run reports no perplexity under noise
        noise = _Noise.of(spec, load_model(spec.model), load_judge(spec.judge, spec.judging), suite)
        noise.measure(spec.mask, load_mask(spec.mask, noise.loaded.base), spec.out, progress)
    return [load_evaluation(path) for path in paths]


def verify_alone(spec: NoiseSpec, progress: Progress = silent) -> Verified:
    """Evaluates the untouched model and every draw of noise, in a folder of their own. Existing files are kept.

    The folder's summary.json has the rates and the paired tests, as the command prints them.

    Raises:
        ValueError: an input is missing or wrong, the control selects the mask's entries, or the folder has another
            mask, model, judge, suite or seed.
    """
    refuse_idle(spec.judging, spec.judge)
    refuse_samples(spec.generation)
    refuse_other_engine(spec.generation)
    for folder in (spec.out, spec.out / CONTROL):
        refuse_unclaimable(folder)
    require_usable(spec.judging, spec.judge)
    masks = {path: load_mask(path) for path in (spec.mask, spec.control) if path}
    _refuse_empty(masks)
    steering = load_steering(spec.steering)
    if spec.control:
        _check_control(masks[spec.mask], masks[spec.control], spec.control)
    suite = _suite(spec)
    warn_of_shared(masks[spec.mask], suite)
    if steering:
        steering.refuse_shared(suite)
    noise = _load(spec, masks, suite, progress, steering)
    settings = noise.settings()
    with claimed(spec.out, settings | {"mask": mask_digest(masks[spec.mask])}):
        noise.measure_untouched(spec.out / UNTOUCHED, progress)
        noise.measure(spec.mask, masks[spec.mask], spec.out, progress)
        if spec.control:
            folder = spec.out / CONTROL
            with claimed(folder, settings | {"mask": mask_digest(masks[spec.control])}):
                noise.measure(spec.control, masks[spec.control], folder, progress, "draws of noise on the control")
    verified = _read(spec)
    save_json(spec.out / SUMMARY, verified_json(verified))
    return verified


def _read(spec: NoiseSpec) -> Verified:
    """Reads the evaluations of a folder whose draws are all there."""
    folders = [spec.out, *([spec.out / CONTROL] if spec.control else [])]
    evaluations = [tuple(load_evaluation(folder / f"{draw.stem}.json") for draw in spec.draws) for folder in folders]
    ratios = tuple(dict.fromkeys(draw.ratio for draw in spec.draws))
    return Verified(load_evaluation(spec.out / UNTOUCHED), ratios, *evaluations)


def read_verified(summary: Path) -> Verified:
    """Reads the evaluations of a finished verification that its summary lists.

    Raises:
        ValueError: the file is no summary of a verification, or a draw beside it is missing.
    """
    content = load_json(summary, "verification")
    with explained(summary, "verification"):
        ratios = tuple(float(point["noise_ratio"]) for point in content["points"])
        draws = [draw for ratio in ratios for draw in noise_draws(ratio, int(content["draws"]), 0)]
        has_control = any("control" in point for point in content["points"])
    folders = [summary.parent, *([summary.parent / CONTROL] if has_control else [])]
    evaluations = [tuple(load_evaluation(folder / f"{draw.stem}.json") for draw in draws) for folder in folders]
    return Verified(load_evaluation(summary.parent / UNTOUCHED), ratios, *evaluations)


def _load(
    spec: NoiseSpec, masks: Mapping[Path, Mask], suite: Suite, progress: Progress, steering: Steering | None
) -> "_Noise":
    """Loads the model and the judge. Raises ValueError for a mask of another model, or a judge with wrong verdicts."""
    loaded = load_model(spec.model, progress=progress)
    guard = load_judge(spec.judge, spec.judging, progress)
    for path, selected in masks.items():
        refuse_other_base(f"mask {str(path)!r}", selected, loaded.base, loaded.name)
    if steering:
        steering.require_model(loaded)
    if not judges_refusals(spec.judge, spec.judging):
        try_on(guard, spec.judge, [prompt.prompt for prompt in suite.harmful])
    return replace(_Noise.of(spec, loaded, guard, suite), steering=steering)


@dataclass(frozen=True)
class _Noise:
    """A model with everything that its evaluations need, and the metadata for their files."""

    spec: NoiseSpec
    loaded: LoadedModel
    judge: Judge
    suite: Suite
    made_by: Meta
    steering: Steering | None = None

    @classmethod
    def of(cls, spec: NoiseSpec, loaded: LoadedModel, judge: Judge, suite: Suite) -> "_Noise":
        """Collects the metadata of the evaluations, as `holdfast evaluate` does."""
        made_by = made_by_of(spec, loaded, judge, suite)
        if spec.refusals:
            given = {"refusals": [set_hash(spec.refusals, "harmful")]}
            made_by["suite"] = suite_hashes(spec.files) | given
        return cls(spec, loaded, judge, suite, made_by)

    def settings(self) -> dict[str, object]:
        """Returns the settings that a folder of evaluations depends on, except the mask."""
        settings = settings_of(self.spec, self.loaded, self.judge, self.made_by)
        return settings | ({"steering": self.steering.record} if self.steering else {})

    def measure_untouched(self, path: Path, progress: Progress) -> None:
        """Evaluates the model without noise, if there is no file yet."""
        with step(progress, "measuring the untouched model"):
            if not path.is_file():
                self._save(path, {"model": model_entry(self.spec.model, self.loaded.base)})

    def measure(self, name: Path, mask: Mask, out: Path, progress: Progress, label: str = "draws of noise") -> None:
        """Evaluates the draws on a mask that have no file yet. A mask of neurons gets noise on all their weights."""
        mask = neuron_weights(self.loaded.model, mask)
        for draw in steps_of(progress, label, self.spec.draws):
            path = out / f"{draw.stem}.json"
            if not path.is_file():
                generator = torch.Generator().manual_seed(draw.seed)
                # Callers have checked the base.
                with perturbed(self.loaded.model, mask, draw.ratio, generator, check_base=False):
                    self._save(path, self._noisy(name, mask, draw))

    def _noisy(self, name: Path, mask: Mask, draw: NoiseDraw) -> Meta:
        """Returns the metadata of the noisy model as a model of its own: name and fingerprint include the noise."""
        noise = {"mask": mask_digest(mask), "ratio": draw.ratio, "seed": draw.seed}
        name_with_noise = f"{self.spec.model} with noise {draw.ratio:g} on {name}, draw {draw.draw}"
        return {
            "model": model_entry(name_with_noise, digest([self.loaded.base, noise])),
            "noise": {"model": self.loaded.base, "file": str(name), "draw": draw.draw, **noise},
        }

    def _save(self, path: Path, named: Mapping[str, object]) -> None:
        with self.steering.moving(self.loaded) if self.steering else nullcontext():
            evaluation = evaluate(self.loaded, self.judge, self.suite, self.spec.generation, made_by={})
        entries = {**named, **self.steering.entries(cast(Meta, named["model"]))} if self.steering else named
        evaluation = replace(evaluation, made_by={**self.made_by, **entries})
        if self.steering:
            self.steering.warn_of_breaking(evaluation)
        save_evaluation(path, evaluation)


def _suite(spec: NoiseSpec) -> Suite:
    """Loads the evaluation prompts with the given refusals, which alone suffice."""
    if spec.refusals is None:
        return load_suite(spec.files, spec.limit)
    given = load_refusals(spec.refusals, spec.limit)
    if not any(spec.files.model_dump().values()):
        return Suite(refusals=given)
    return replace(load_suite(spec.files, spec.limit), refusals=given)


def _refuse_empty(masks: Mapping[Path, Mask]) -> None:
    """Raises ValueError for a mask that selects nothing, before anything is measured."""
    if empty := [path for path, mask in masks.items() if not len(mask)]:
        raise ValueError(
            f"the mask {str(empty[0])!r} selects no entry, so there is nothing to put noise on; give one "
            "that selects some."
        )


def _check_control(mask: Mask, control: Mask, path: Path) -> None:
    """Raises ValueError for a control with the mask's entries, and warns about one of another size."""
    if mask_digest(mask) == mask_digest(control):
        raise ValueError(
            f"the control {str(path)!r} selects the same weights as the mask, so nothing can differ; give a random one."
        )
    if len(mask) != len(control):
        logger.warning(
            "the control selects %s weights and the mask %s, so that more noise on one of them may explain the "
            "difference; select both with the same --fraction.",
            f"{len(control):,}",
            f"{len(mask):,}",
        )
