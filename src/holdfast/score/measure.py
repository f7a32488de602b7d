"""What formulas are made of, summed over an objective's items or halves of them: gradients, inputs, noise, nothing."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import torch
from transformers import PreTrainedModel

from holdfast.allocator import give_back_freed_memory
from holdfast.models.load import LoadedModel
from holdfast.models.sites import scored_sites
from holdfast.objective.completions import Completion, Objective, check_completions
from holdfast.progress import Progress, silent
from holdfast.score.checkpoint import Checkpoint
from holdfast.score.gradient import sum_gradients
from holdfast.score.inputs import sum_input_squares
from holdfast.score.random import draw_noise
from holdfast.score.registry import Needs
from holdfast.score.sums import Sums


class Measure(Protocol):
    """A sum over some of an objective's items for every named parameter."""

    def __call__(
        self,
        model: PreTrainedModel,
        names: Sequence[str],
        objective: Objective,
        items: Sequence[int],
        *,
        token_budget: int | None,
        progress: Progress,
        checkpoint: Checkpoint | None,
        on_host: bool,
    ) -> Sums: ...


def sum_nothing(
    model: PreTrainedModel,
    names: Sequence[str],
    objective: Objective,
    items: Sequence[int],
    **unused: object,
) -> Sums:
    """An empty tensor a parameter, for formulas that need none."""
    return Sums({name: torch.empty(0) for name in names}, len(items))


MEASURES: Mapping[Needs, Measure] = {
    "gradient": sum_gradients,
    "inputs": sum_input_squares,
    "noise": draw_noise,
    "nothing": sum_nothing,
}


def measure(
    loaded: LoadedModel,
    objective: Objective,
    needs: Needs,
    items: Sequence[int],
    *,
    token_budget: int | None = None,
    progress: Progress = silent,
    checkpoint: Checkpoint | None = None,
    on_host: bool = False,
) -> Sums:
    """What formulas of one kind need, summed over some items, for every scored parameter.

    Raises:
        ValueError: a completion is longer than the model's context, or has a token that the model lacks.
    """
    check_completions(loaded, objective)
    names = [site.name for site in scored_sites(loaded.model)]
    how = {"token_budget": token_budget, "progress": progress, "checkpoint": checkpoint, "on_host": on_host}
    return MEASURES[needs](loaded.model, names, objective, items, **how)


def measure_halves(
    loaded: LoadedModel,
    objective: Objective,
    needs: Needs,
    *,
    seed: int = 0,
    token_budget: int | None = None,
    progress: Progress = silent,
    keep: Path | None = None,
    on_host: bool = False,
) -> tuple[Sums, Sums]:
    """The same of two random halves of the prompts; formulas that need the same can share it.

    A half that is done makes room on the device: its sums move to host memory.

    Args:
        loaded: the model.
        objective: what is measured on.
        needs: what is measured.
        seed: of the halves.
        token_budget: tokens of a batch at most, padding counted; as many as fit into memory when left out.
        progress: called after every batch with the items of both halves that are done.
        keep: folder in which the sums are kept as they grow, so that an interrupted pass goes on.
        on_host: whether sums of gradients lie in host memory.

    Raises:
        ValueError: there are fewer than two distinct prompts.
    """
    halves = split_by_prompt(objective.completions, seed)
    found, before = [], 0
    for order, items in enumerate(halves):
        checkpoint = Checkpoint(keep / f"{needs}_half_{order + 1}.safetensors") if keep else None
        part = part_of(progress, before, len(objective.completions))
        how = {"token_budget": token_budget, "progress": part, "checkpoint": checkpoint, "on_host": on_host}
        found.append(measure(loaded, objective, needs, items, **how).on_host())
        give_back_freed_memory()  # what a pass kept for backward lies between the sums
        before += len(items)
    return found[0], found[1]


def refuse_too_few(prompts: Sequence[str]) -> None:
    """Raises ValueError when there are fewer distinct prompts than halves."""
    if (distinct := len(set(prompts))) < 2:
        raise ValueError(f"halves need at least 2 distinct prompts, got {distinct}; give more prompts.")


def split_by_prompt(completions: Sequence[Completion], seed: int) -> tuple[list[int], list[int]]:
    """Positions in two halves that share no prompt; several responses to one prompt stay together."""
    prompts = list(dict.fromkeys(completion.prompt for completion in completions))
    refuse_too_few(prompts)
    order = torch.randperm(len(prompts), generator=torch.Generator().manual_seed(seed)).tolist()
    first = {prompts[position] for position in order[: len(prompts) // 2]}
    chosen = [completion.prompt in first for completion in completions]
    return (
        [position for position, is_first in enumerate(chosen) if is_first],
        [position for position, is_first in enumerate(chosen) if not is_first],
    )


def part_of(progress: Progress, before: int, whole: int) -> Progress:
    """Progress of a part, told as progress of the whole."""

    def tell(label: str, done: int, total: int) -> None:
        progress(label, before + done, whole)

    return tell
