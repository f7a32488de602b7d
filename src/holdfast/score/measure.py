"""Sums the quantity that a formula needs (gradients, inputs, noise or nothing) over an objective's items or halves."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from transformers import PreTrainedModel

from holdfast.allocator import give_back_freed_memory
from holdfast.models.load import LoadedModel
from holdfast.models.sites import scored_sites
from holdfast.objective.completions import Completion, Objective, check_completions
from holdfast.progress import Progress
from holdfast.score.checkpoint import Checkpoint
from holdfast.score.gradient import sum_gradients
from holdfast.score.inputs import sum_input_squares
from holdfast.score.passes import Pass
from holdfast.score.random import draw_noise
from holdfast.score.registry import Needs
from holdfast.score.sums import Sums

Measure = Callable[[PreTrainedModel, Sequence[str], Objective, Sequence[int], Pass], Sums]
"""Sums over some of an objective's items, for every named parameter."""


def sum_nothing(
    model: PreTrainedModel, names: Sequence[str], objective: Objective, items: Sequence[int], how: Pass = Pass()
) -> Sums:
    """Returns an empty tensor a parameter, for formulas that need no measurement."""
    return Sums({name: torch.empty(0) for name in names}, len(items))


MEASURES: Mapping[Needs, Measure] = {
    "gradient": sum_gradients,
    "inputs": sum_input_squares,
    "noise": draw_noise,
    "nothing": sum_nothing,
}


def measure(loaded: LoadedModel, objective: Objective, needs: Needs, items: Sequence[int], how: Pass = Pass()) -> Sums:
    """Sums the quantity that formulas of one kind need over some items, for every scored parameter.

    Raises:
        ValueError: a completion is longer than the model's context, or has a token that the model lacks.
    """
    check_completions(loaded, objective)
    names = [site.name for site in scored_sites(loaded.model)]
    return MEASURES[needs](loaded.model, names, objective, items, how)


def measure_halves(
    loaded: LoadedModel,
    objective: Objective,
    needs: Needs,
    how: Pass = Pass(),
    *,
    seed: int = 0,
    keep: Path | None = None,
) -> tuple[Sums, Sums]:
    """Measures two random halves of the prompts. Formulas that need the same quantity can share the sums.

    The sums of a finished half move to host memory, to make room on the device.

    Args:
        loaded: the model.
        objective: objective whose completions are measured.
        needs: quantity to measure.
        how: settings of the pass. Its progress counts the items done in both halves.
        seed: seed of the split into halves.
        keep: folder that saves the sums as they grow, so that an interrupted pass resumes.

    Raises:
        ValueError: there are fewer than two distinct prompts.
    """
    halves = split_by_prompt(objective.completions, seed)
    sums, items_before = [], 0
    for order, items in enumerate(halves):
        checkpoint = Checkpoint(keep / f"{needs}_half_{order + 1}.safetensors") if keep else None
        part = part_of(how.progress, items_before, len(objective.completions))
        half = replace(how, progress=part, checkpoint=checkpoint)
        sums.append(measure(loaded, objective, needs, items, half).on_host())
        give_back_freed_memory()  # freed activations lie between the sums
        items_before += len(items)
    return sums[0], sums[1]


def refuse_too_few(prompts: Sequence[str]) -> None:
    """Raises ValueError for fewer distinct prompts than halves."""
    if (distinct := len(set(prompts))) < 2:
        raise ValueError(f"halves need at least 2 distinct prompts, got {distinct}; give more prompts.")


def split_by_prompt(completions: Sequence[Completion], seed: int) -> tuple[list[int], list[int]]:
    """Splits positions into two halves that share no prompt. Several responses to one prompt stay together."""
    prompts = list(dict.fromkeys(completion.prompt for completion in completions))
    refuse_too_few(prompts)
    order = torch.randperm(len(prompts), generator=torch.Generator().manual_seed(seed)).tolist()
    first_prompts = {prompts[position] for position in order[: len(prompts) // 2]}
    chosen = [completion.prompt in first_prompts for completion in completions]
    return (
        [position for position, is_first in enumerate(chosen) if is_first],
        [position for position, is_first in enumerate(chosen) if not is_first],
    )


def part_of(progress: Progress, before: int, whole: int) -> Progress:
    """Wraps a progress callback so that a part reports its progress within the whole."""

    def report(label: str, done: int, total: int) -> None:
        progress(label, before + done, whole)

    return report
