"""Evaluates a model under noise on the weights of a mask, one file a draw, and restores it bit for bit.

A folder that `holdfast verify` writes:
    settings.json, untouched.json        settings of the verification, and the evaluation without noise
    noise_RATIO_draw_NUMBER.json         an evaluation for each draw of noise on the mask
    control/                             settings.json and the same draws on a control mask, if there is one
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from holdfast.artifacts import digest, load_evaluation, load_mask, refuse_other_base, save_evaluation
from holdfast.evaluate.suite import Suite, evaluate
from holdfast.intervene.edit.perturb import perturbed
from holdfast.intervene.entries import mask_digest
from holdfast.judge.refusal import RefusalJudge
from holdfast.made_by import Meta, model_entry
from holdfast.models.load import LoadedModel, load_model
from holdfast.models.options import GenerateOptions, refuse_other_engine
from holdfast.outcomes import Evaluation
from holdfast.pipeline.evaluating import asked_entry, judges_entry
from holdfast.pipeline.inputs import set_hash, suite_hashes
from holdfast.pipeline.judges import Judge, judges_refusals, load_judge, reading, refuse_idle, require_usable, try_on
from holdfast.pipeline.options import JudgeOptions, SuiteFiles, refuse_samples
from holdfast.pipeline.outputs import claimed, refuse_unclaimable
from holdfast.pipeline.rendering import rendering_of
from holdfast.pipeline.suites import load_suite, warn_of_shared
from holdfast.progress import Progress, silent
from holdfast.prompts.sources import load_exchanges
from holdfast.values import Mask

logger = logging.getLogger(__name__)
UNTOUCHED = "untouched.json"
"""File of the evaluation without noise, beside those of the draws."""
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


@dataclass(frozen=True)
class Verification:
    """The evaluations of one verification."""

    untouched: Evaluation
    mask: tuple[Evaluation, ...]
    """Evaluations under noise on the mask, one a draw."""
    control: tuple[Evaluation, ...] = ()
    """Evaluations under noise on the control, one a draw. Empty without a control."""


def verify(
    model: str,
    judge: str,
    mask: Path,
    files: SuiteFiles,
    draws: Sequence[NoiseDraw],
    out: Path,
    *,
    limit: int | None = None,
    judging: JudgeOptions = JudgeOptions(),
    generation: GenerateOptions = GenerateOptions(),
    progress: Progress = silent,
) -> list[Evaluation]:
    """Evaluates the model under each draw of noise on the mask's entries, one file a draw. Existing files are kept."""
    paths = [out / f"{draw.stem}.json" for draw in draws]
    if not all(path.is_file() for path in paths):
        suite = replace(load_suite(files, limit), exchanges=())  # a run reports no perplexity under noise
        noise = _Noise.of(
            model, load_model(model), judge, load_judge(judge, judging), judging, files, suite, generation
        )
        noise.measure(mask, load_mask(mask, noise.loaded.base), draws, out, progress)
    return [load_evaluation(path) for path in paths]


def verify_alone(
    model: str,
    judge: str,
    mask: Path,
    files: SuiteFiles,
    draws: Sequence[NoiseDraw],
    out: Path,
    *,
    control: Path | None = None,
    refusals: str | None = None,
    limit: int | None = None,
    judging: JudgeOptions = JudgeOptions(),
    generation: GenerateOptions = GenerateOptions(),
    seed: int = 0,
    progress: Progress = silent,
) -> Verification:
    """Evaluates the untouched model and every draw of noise, in a folder of their own. Existing files are kept.

    Args:
        model: name of the model.
        judge: name of the judge of responses to harmful prompts.
        mask: path of the mask whose weights get noise.
        files: the evaluation prompt sets.
        draws: the draws of noise.
        out: the folder. A folder with another mask, model, judge, suite or seed raises ValueError.
        control: path of a control mask that gets the same draws, in a subfolder.
        refusals: set of harmful prompts with refusals, whose perplexity is measured.
        limit: prompts to take from every set. None takes all.
        judging: options of the judge.
        generation: options of generation.
        seed: seed of the first draw.
        progress: called after every evaluation.

    Raises:
        ValueError: an input is missing or wrong, or the control selects the mask's entries.
    """
    refuse_idle(judging, judge)
    refuse_samples(generation)
    refuse_other_engine(generation)
    for folder in (out, out / CONTROL):
        refuse_unclaimable(folder)
    require_usable(judging, judge)
    masks = {path: load_mask(path) for path in (mask, control) if path}
    if control:
        _check_control(masks[mask], masks[control], control)
    suite = _suite(files, refusals, limit)
    warn_of_shared(masks[mask], suite)
    loaded = load_model(model, progress=progress)
    guard = load_judge(judge, judging, progress)
    for path, selected in masks.items():
        refuse_other_base(f"mask {str(path)!r}", selected.base, loaded.base)
    if not judges_refusals(judge, judging):
        try_on(guard, judge, [prompt.prompt for prompt in suite.harmful])
    noise = _Noise.of(model, loaded, judge, guard, judging, files, suite, generation, refusals)
    settings = {
        "model": loaded.base,
        "judge": [guard.fingerprint, reading(judging)],
        "suite": noise.made_by["suite"],
        "limit": limit,
        "generation": generation.model_dump(mode="json"),
        "rendering": rendering_of(loaded.tokenizer),
        "seed": seed,
    }
    with claimed(out, settings | {"mask": mask_digest(masks[mask])}):
        noise.measure_untouched(out / UNTOUCHED, progress)
        noise.measure(mask, masks[mask], draws, out, progress)
        if control:
            with claimed(out / CONTROL, settings | {"mask": mask_digest(masks[control])}):
                noise.measure(control, masks[control], draws, out / CONTROL, progress, "draws of noise on the control")
    folders = [out, *([out / CONTROL] if control else [])]
    evaluations = [tuple(load_evaluation(folder / f"{draw.stem}.json") for draw in draws) for folder in folders]
    return Verification(load_evaluation(out / UNTOUCHED), *evaluations)


@dataclass(frozen=True)
class _Noise:
    """A model with everything that its evaluations need, and the metadata for their files."""

    model: str
    loaded: LoadedModel
    judge: Judge
    suite: Suite
    generation: GenerateOptions
    made_by: Meta

    @classmethod
    def of(
        cls,
        model: str,
        loaded: LoadedModel,
        name: str,
        judge: Judge,
        judging: JudgeOptions,
        files: SuiteFiles,
        suite: Suite,
        generation: GenerateOptions,
        refusals: str | None = None,
    ) -> "_Noise":
        """Collects the metadata of the evaluations, as `holdfast evaluate` does."""
        of_harm = not judges_refusals(name, judging)
        judges = (judge, name, RefusalJudge()) if of_harm else (None, name, judge)
        made_by = {**judges_entry(*judges, reading(judging)), **asked_entry(loaded, files, suite, generation)}
        given = {"refusals": [set_hash(refusals, "harmful")]} if refusals else {}
        return cls(model, loaded, judge, suite, generation, {**made_by, "suite": suite_hashes(files) | given})

    def measure_untouched(self, path: Path, progress: Progress) -> None:
        """Evaluates the model without noise, if there is no file yet."""
        if not path.is_file():
            self._save(path, {"model": model_entry(self.model, self.loaded.base)})
        progress("the untouched model", 1, 1)

    def measure(
        self,
        name: Path,
        mask: Mask,
        draws: Sequence[NoiseDraw],
        out: Path,
        progress: Progress,
        label: str = "draws of noise",
    ) -> None:
        """Evaluates the draws on a mask that have no file yet."""
        for position, draw in enumerate(draws):
            path = out / f"{draw.stem}.json"
            if not path.is_file():
                generator = torch.Generator().manual_seed(draw.seed)
                # Callers have checked the base.
                with perturbed(self.loaded.model, mask, draw.ratio, generator, check_base=False):
                    self._save(path, self._noisy(name, mask, draw))
            progress(label, position + 1, len(draws))

    def _noisy(self, name: Path, mask: Mask, draw: NoiseDraw) -> Meta:
        """Returns the metadata of the noisy model as a model of its own: name and fingerprint include the noise."""
        noise = {"mask": mask_digest(mask), "ratio": draw.ratio, "seed": draw.seed}
        name_with_noise = f"{self.model} with noise {draw.ratio:g} on {name}, draw {draw.draw}"
        return {
            "model": model_entry(name_with_noise, digest([self.loaded.base, noise])),
            "noise": {"model": self.loaded.base, "file": str(name), "draw": draw.draw, **noise},
        }

    def _save(self, path: Path, named: Mapping[str, object]) -> None:
        evaluation = evaluate(self.loaded, self.judge, self.suite, self.generation)
        save_evaluation(path, replace(evaluation, made_by={**self.made_by, **named}))


def _suite(files: SuiteFiles, refusals: str | None, limit: int | None) -> Suite:
    """Loads the evaluation prompts with the given refusals, which alone suffice."""
    if refusals is None:
        return load_suite(files, limit)
    given = load_exchanges(refusals)[:limit]
    return (
        replace(load_suite(files, limit), refusals=given) if any(files.model_dump().values()) else Suite(refusals=given)
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
