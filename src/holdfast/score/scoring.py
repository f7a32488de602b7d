"""Scores of every scored weight: one pass over an objective's items, whole or in halves, by one formula or several."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from pydantic import Field
from transformers import PreTrainedModel

from holdfast.config import Options
from holdfast.models.load import LoadedModel
from holdfast.models.sites import scored_sites
from holdfast.progress import Progress, silent
from holdfast.score.gradient import sum_gradients
from holdfast.score.inputs import sum_input_squares
from holdfast.score.objective.completions import Completion, Objective
from holdfast.score.random import draw_noise
from holdfast.score.registry import SCORES, Needs
from holdfast.score.sums import Sums
from holdfast.values import Scores


class ScoreOptions(Options):
    """How weights are scored."""

    method: str = "esi"
    """Name of the formula: esi, gradient_magnitude, snip, wanda, magnitude or random."""
    token_budget: int = Field(default=4096, ge=1)
    """Tokens of a batch at most, padding counted; changes speed and memory, not the scores."""


@dataclass(frozen=True)
class HalvedScores:
    """Scores from all prompts, and from each of two halves that share no prompt: how stable is the answer?"""

    whole: Scores
    first: Scores
    second: Scores


class Measure(Protocol):
    """What a formula needs, summed over some of an objective's items."""

    def __call__(
        self,
        model: PreTrainedModel,
        names: Sequence[str],
        objective: Objective,
        items: Sequence[int],
        *,
        token_budget: int,
        progress: Progress,
    ) -> Sums: ...


def nothing(
    model: PreTrainedModel,
    names: Sequence[str],
    objective: Objective,
    items: Sequence[int],
    *,
    token_budget: int = 0,
    progress: Progress = silent,
) -> Sums:
    """An empty tensor a parameter."""
    return Sums({name: torch.empty(0) for name in names}, len(items))


MEASURES: Mapping[Needs, Measure] = {
    "gradient": sum_gradients,
    "inputs": sum_input_squares,
    "noise": draw_noise,
    "nothing": nothing,
}


def score(
    loaded: LoadedModel, objective: Objective, options: ScoreOptions = ScoreOptions(), progress: Progress = silent
) -> Scores:
    """Scores of every scored weight from all items of the objective."""
    items = range(len(objective.completions))
    total = measure(loaded, objective, SCORES[options.method].needs, items, options.token_budget, progress)
    return to_scores(loaded, objective, total, options, {})


def score_halves(
    loaded: LoadedModel,
    objective: Objective,
    options: ScoreOptions = ScoreOptions(),
    progress: Progress = silent,
    *,
    seed: int = 0,
) -> HalvedScores:
    """Scores from two random halves of the prompts and from all, for the price of the whole: the sums add up.

    Raises:
        ValueError: there are fewer than two distinct prompts.
    """
    needs = SCORES[options.method].needs
    halves = measure_halves(loaded, objective, needs, options.token_budget, progress, seed=seed)
    return halved_scores(loaded, objective, halves, options, seed)


def measure(
    loaded: LoadedModel,
    objective: Objective,
    needs: Needs,
    items: Sequence[int],
    token_budget: int,
    progress: Progress = silent,
) -> Sums:
    """What formulas of one kind need, summed over some items, for every scored parameter."""
    names = [site.name for site in scored_sites(loaded.model)]
    return MEASURES[needs](loaded.model, names, objective, items, token_budget=token_budget, progress=progress)


def measure_halves(
    loaded: LoadedModel,
    objective: Objective,
    needs: Needs,
    token_budget: int,
    progress: Progress = silent,
    *,
    seed: int = 0,
) -> tuple[Sums, Sums]:
    """The same of two random halves of the prompts: formulas that need the same can share it."""
    first, second = split_by_prompt(objective.completions, seed)
    total = len(objective.completions)
    return (
        measure(loaded, objective, needs, first, token_budget, _part_of(progress, 0, total)),
        measure(loaded, objective, needs, second, token_budget, _part_of(progress, len(first), total)),
    )


def halved_scores(
    loaded: LoadedModel, objective: Objective, halves: tuple[Sums, Sums], options: ScoreOptions, seed: int
) -> HalvedScores:
    """One formula's scores from what was measured on two halves."""
    first, second = halves
    return HalvedScores(
        to_scores(loaded, objective, first + second, options, {}),
        to_scores(loaded, objective, first, options, {"half": 1, "seed": seed}),
        to_scores(loaded, objective, second, options, {"half": 2, "seed": seed}),
    )


def to_scores(
    loaded: LoadedModel, objective: Objective, total: Sums, options: ScoreOptions, made_by: Mapping[str, object]
) -> Scores:
    """One formula's scores from what was measured."""
    method = SCORES[options.method]
    weights = dict(loaded.model.named_parameters())
    entries = {
        site.name: method.formula(weights[site.name].detach(), total.mean(site.name), site).cpu()
        for site in scored_sites(loaded.model)
    }
    return Scores(
        entries,
        unit=method.unit.format(objective=objective.unit),
        base=loaded.base,
        num_parameters=sum(weight.numel() for weight in weights.values()),
        made_by={**options.model_dump(), **objective.describe(), "num_items": total.num_items, **made_by},
    )


def split_by_prompt(completions: Sequence[Completion], seed: int) -> tuple[list[int], list[int]]:
    """Positions in two halves that share no prompt; several responses to one prompt stay together."""
    prompts = list(dict.fromkeys(completion.prompt for completion in completions))
    if len(prompts) < 2:
        raise ValueError(f"halves need at least 2 distinct prompts, got {len(prompts)}; give more prompts.")
    order = torch.randperm(len(prompts), generator=torch.Generator().manual_seed(seed)).tolist()
    first = {prompts[position] for position in order[: len(prompts) // 2]}
    chosen = [completion.prompt in first for completion in completions]
    return (
        [position for position, is_first in enumerate(chosen) if is_first],
        [position for position, is_first in enumerate(chosen) if not is_first],
    )


def _part_of(progress: Progress, before: int, whole: int) -> Progress:
    """Progress of a part, told as progress of the whole."""

    def tell(label: str, done: int, total: int) -> None:
        progress(label, before + done, whole)

    return tell
