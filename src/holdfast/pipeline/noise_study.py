"""Verifies a mask of a loaded model: evaluates the model under noise on the mask and on controls, without files.

`verifying.py` does the same on files, and resumes.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from holdfast.arguments import checked_call, require, require_number, require_options, require_seed, require_steps
from holdfast.artifacts import refuse_other_base
from holdfast.counts import counted
from holdfast.evaluate.suite import Suite, evaluate
from holdfast.evaluate.verified import Verified
from holdfast.intervene.edit.perturb import perturbed
from holdfast.intervene.entries import mask_digest
from holdfast.judge.ask import Judge
from holdfast.judge.refusal import RefusalJudge
from holdfast.models.load import LoadedModel
from holdfast.models.options import GenerateOptions, refuse_other_engine
from holdfast.outcomes import Evaluation
from holdfast.pipeline.options import VerifyOptions, refuse_samples
from holdfast.pipeline.verifying import NoiseDraw, noise_draws
from holdfast.progress import Progress, silent
from holdfast.select.neurons import neuron_weights
from holdfast.value_or_path import as_mask
from holdfast.values import Mask

logger = logging.getLogger(__name__)
RATIOS: Sequence[float] = VerifyOptions().ratios
"""Strengths of noise where none are given."""
EVALUATIONS = "evaluations under noise"
"""Label of the progress."""
MaskOrPath = Mask | str | Path


@checked_call
def verify(
    loaded: LoadedModel,
    mask: Mask | str | Path,
    suite: Suite,
    options: GenerateOptions | None = None,
    *,
    control: Mask | str | Path | Sequence[Mask | str | Path] = (),
    judge: Judge | None = None,
    refusal_judge: Judge = RefusalJudge(),
    ratios: Sequence[float] = RATIOS,
    draws: int = 5,
    seed: int = 0,
    progress: Progress = silent,
) -> Verified:
    """Measures what noise on a mask's weights does to a model, beside the same noise on controls.

    The model gets every bit back after each draw. The suite's exchanges and refusals give perplexities. To keep the
    responses of every draw in files, and to resume, use the command `holdfast verify`.

    Example:
        >>> controls = [select_random(scores, like=mask, seed=seed) for seed in (0, 1)]
        >>> options = GenerateOptions(max_new_tokens=32)
        >>> verified = verify(loaded, mask, suite, options, control=controls, ratios=[2.0], draws=2)
        >>> print(verified)

    Args:
        loaded: the model that the mask was made for.
        mask: the mask whose weights get noise, as a Mask or as the path of its file.
        suite: the prompt sets, others than those that the mask was made from.
        options: settings of generation.
        control: a control mask, or one for every draw, so that the test also covers other random masks.
        judge: rates responses to harmful prompts as `safe` or `unsafe`. Without one refusals are counted.
        refusal_judge: rates responses as `refused` or `complied`. The default uses rules.
        ratios: strengths of the noise, in standard deviations of each weight's matrix.
        draws: draws of noise at every strength, for the mask and for the control.
        seed: seed of the first draw.
        progress: called after every evaluation.

    Raises:
        ValueError: a mask is empty, of another model or equal to its control, the number of controls is neither one nor
            that of the draws, or the options ask for several samples.
    """
    options = GenerateOptions() if options is None else options
    _check_settings(loaded, suite, options, ratios, draws, seed)
    masks = _named_masks(mask, control)
    _check_masks(loaded, masks, draws)
    weights, *controls = (neuron_weights(loaded.model, given) for given in masks.values())
    made = [draw for ratio in ratios for draw in noise_draws(ratio, draws, seed)]
    measure = partial(evaluate, loaded, judge, suite, options, refusal_judge=refusal_judge)
    study = _Study(loaded, measure, 1 + len(made) * (1 + bool(controls)), progress)
    untouched = study.untouched()
    on_mask = tuple(study.noisy(weights, draw) for draw in made)
    on_control = tuple(study.noisy(controls[draw.draw % len(controls)], draw) for draw in made) if controls else ()
    return Verified(untouched, tuple(ratios), on_mask, on_control)


@dataclass
class _Study:
    """Evaluates one model again and again, and counts the evaluations."""

    loaded: LoadedModel
    measure: Callable[..., Evaluation]
    total: int
    progress: Progress
    done: int = 0

    def untouched(self) -> Evaluation:
        self.progress(EVALUATIONS, 0, self.total)
        return self._counted(self.measure())

    def noisy(self, mask: Mask, draw: NoiseDraw) -> Evaluation:
        """Evaluates under one draw of noise. The evaluation has no provenance, as no file of it is compared."""
        generator = torch.Generator().manual_seed(draw.seed)
        with perturbed(self.loaded, mask, draw.ratio, generator, check_base=False):
            return self._counted(self.measure(made_by={}))

    def _counted(self, evaluation: Evaluation) -> Evaluation:
        self.done += 1
        self.progress(EVALUATIONS, self.done, self.total)
        return evaluation


def _check_settings(
    loaded: object, suite: object, options: GenerateOptions, ratios: Sequence[float], draws: int, seed: int
) -> None:
    """Raises ValueError for settings that can be refused without an evaluation."""
    require(loaded, LoadedModel, "give what holdfast.load_model returns")
    require(suite, Suite, "give Suite(harmful=load_prompts(NAME)), or other sets")
    require_options(options, GenerateOptions)
    refuse_samples(options)
    refuse_other_engine(options)
    require_steps("draws", draws, 1)
    require_seed(seed)
    if isinstance(ratios, str) or not isinstance(ratios, Iterable) or not list(ratios):
        raise ValueError(f"ratios is {ratios!r}; give a list with one strength of noise or more, such as [0.38, 2.0].")
    for ratio in ratios:
        require_number("a ratio", ratio)
    if len(set(ratios)) < len(list(ratios)):
        raise ValueError(f"ratios has a strength of noise twice: {list(ratios)}; give each once.")


def _named_masks(mask: MaskOrPath, control: MaskOrPath | Sequence[MaskOrPath]) -> dict[str, Mask]:
    """Loads the mask and its controls, by their names in errors."""
    controls = [control] if isinstance(control, Mask | str | Path) else list(control)
    named = {f"control {place}": as_mask(given) for place, given in enumerate(controls, start=1)}
    return {"the mask": as_mask(mask), **named}


def _check_masks(loaded: LoadedModel, masks: Mapping[str, Mask], draws: int) -> None:
    """Raises ValueError for masks that are empty, of another model or equal, or for a wrong number of controls."""
    if len(masks) not in (1, 2, 1 + draws):
        raise ValueError(
            f"got {len(masks) - 1} controls for {counted(draws, 'draw')}; give one control, or one for every draw."
        )
    selected = mask_digest(masks["the mask"])
    for name, mask in masks.items():
        refuse_other_base(name, mask, loaded.base, loaded.name)
        if not len(mask):
            raise ValueError(
                f"{name} selects no entry, so there is nothing to put noise on; give one that selects some."
            )
        if name != "the mask" and mask_digest(mask) == selected:
            raise ValueError(f"{name} selects the same weights as the mask, so nothing can differ; give a random one.")
        if len(mask) != len(masks["the mask"]):
            logger.warning(
                "%s selects %s weights and the mask %s, so that more noise on one of them may explain the difference; "
                "select it with select_random(scores, like=mask).",
                name,
                f"{len(mask):,}",
                f"{len(masks['the mask']):,}",
            )
