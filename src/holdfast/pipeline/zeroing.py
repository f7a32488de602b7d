"""Evaluates a model while the units of a mask are zero, beside random masks, and gives it back.

A folder that `holdfast verify --zero` writes:
    settings.json, untouched.json       settings, and the evaluation of the whole model
    zeroed.json                         the evaluation while the mask's units are zero
    random_NUMBER.json                  the same with a random mask, one file a draw
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from holdfast.artifacts import digest, load_evaluation, load_mask, save_evaluation
from holdfast.evaluate.suite import evaluate
from holdfast.intervene.edit.zero import zeroed
from holdfast.intervene.entries import mask_digest
from holdfast.made_by import model_entry
from holdfast.models.options import GenerateOptions
from holdfast.outcomes import Evaluation
from holdfast.pipeline.changed_model import load_measured, made_by_of, require_measurable, settings_of
from holdfast.pipeline.options import JudgeOptions, SuiteFiles
from holdfast.pipeline.outputs import claimed
from holdfast.pipeline.suites import load_suite, warn_of_shared
from holdfast.progress import Progress, silent, steps_of
from holdfast.select.neurons import neuron_weights
from holdfast.select.random import random_like
from holdfast.values import Mask

UNTOUCHED, ZEROED = "untouched.json", "zeroed.json"


@dataclass(frozen=True, kw_only=True)
class ZeroSpec:
    """All inputs of a verification that zeroes the units of a mask."""

    model: str
    mask: Path
    files: SuiteFiles
    out: Path
    judge: str
    judging: JudgeOptions = field(default_factory=JudgeOptions)
    generation: GenerateOptions = field(default_factory=GenerateOptions)
    draws: int = 5
    """Number of random masks."""
    limit: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class Zeroed:
    """The evaluations: of the untouched model, with the mask at zero, and with random masks at zero."""

    untouched: Evaluation
    zeroed: Evaluation
    random: Sequence[Evaluation]


def verify_zeroed(spec: ZeroSpec, progress: Progress = silent) -> Zeroed:
    """Evaluates the model untouched, with the mask at zero, and with random masks at zero. Existing files are kept.

    A neuron is zeroed by its column of down_proj. A random mask has as many units in every tensor as the mask.

    Raises:
        ValueError: an input is missing or wrong, the mask is empty, whole or of another model, or the folder holds
            another measurement.
    """
    require_measurable(spec)
    mask, suite = load_mask(spec.mask), load_suite(spec.files, spec.limit)
    masks: dict[str, Mask | None] = {UNTOUCHED: None, ZEROED: mask}
    masks |= {f"random_{draw}.json": random_like(mask, spec.seed * 1000 + draw) for draw in range(spec.draws)}
    warn_of_shared(mask, suite)
    loaded, judge = load_measured(spec, suite, f"mask {str(spec.mask)!r}", mask, progress)
    made_by = made_by_of(spec, loaded, judge, suite)
    with claimed(spec.out, settings_of(spec, loaded, judge, made_by) | {"zeroed": mask_digest(mask)}):
        for name, units in steps_of(progress, "evaluations with units at zero", list(masks.items())):
            if not (path := spec.out / name).is_file():
                weights = units and neuron_weights(loaded.model, units, ("down",))
                with zeroed(loaded, weights, check_base=False) if weights else nullcontext():
                    evaluation = evaluate(loaded, judge, suite, spec.generation, made_by={})
                named = _named(spec, loaded.base, name, units)
                save_evaluation(path, replace(evaluation, made_by={**made_by, **named}))
    untouched, changed, *random = (load_evaluation(spec.out / name) for name in masks)
    return Zeroed(untouched, changed, tuple(random))


def _named(spec: ZeroSpec, base: str, name: str, units: Mask | None) -> dict[str, object]:
    """Returns the metadata of the model with units at zero as a model of its own."""
    if units is None:
        return {"model": model_entry(spec.model, base)}
    which = str(spec.mask) if name == ZEROED else f"random mask {Path(name).stem.rpartition('_')[2]}"
    entry = {"mask": mask_digest(units), "which": which}
    return {"model": model_entry(f"{spec.model} with {which} at zero", digest([base, entry])), "zeroed": entry}
