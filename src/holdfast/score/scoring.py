"""Scores of every scored weight from the gradient of an objective: one pass over its items, whole or in two halves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from pydantic import Field

from holdfast.config import Options
from holdfast.models.load import LoadedModel
from holdfast.models.sites import scored_sites
from holdfast.progress import Progress, silent
from holdfast.score.gradient import GradientSum, sum_gradients
from holdfast.score.objective.completions import Completion, Objective
from holdfast.score.registry import SCORES
from holdfast.values import Scores


class ScoreOptions(Options):
    """How weights are scored."""

    method: str = "esi"
    """Name of the formula: esi, gradient_magnitude, snip or magnitude."""
    token_budget: int = Field(default=4096, ge=1)
    """Tokens of a batch at most, padding counted; changes speed and memory, not the scores."""


@dataclass(frozen=True)
class HalvedScores:
    """Scores from all prompts, and from each of two halves that share no prompt: how stable is the answer?"""

    whole: Scores
    first: Scores
    second: Scores


def score(
    loaded: LoadedModel, objective: Objective, options: ScoreOptions = ScoreOptions(), progress: Progress = silent
) -> Scores:
    """Scores of every scored weight by the objective's mean gradient over all of its items."""
    total = _sum(loaded, objective, range(len(objective.completions)), options, progress)
    return _scores(loaded, objective, total, options, {})


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
    halves = split_by_prompt(objective.completions, seed)
    total = len(objective.completions)
    first = _sum(loaded, objective, halves[0], options, _part_of(progress, 0, total))
    second = _sum(loaded, objective, halves[1], options, _part_of(progress, len(halves[0]), total))
    return HalvedScores(
        _scores(loaded, objective, first + second, options, {}),
        _scores(loaded, objective, first, options, {"half": 1, "seed": seed}),
        _scores(loaded, objective, second, options, {"half": 2, "seed": seed}),
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


def _sum(
    loaded: LoadedModel, objective: Objective, items: Sequence[int], options: ScoreOptions, progress: Progress
) -> GradientSum:
    SCORES[options.method]  # an unknown name is refused before the work, not after
    names = [site.name for site in scored_sites(loaded.model)]
    return sum_gradients(loaded.model, names, objective, items, token_budget=options.token_budget, progress=progress)


def _scores(
    loaded: LoadedModel, objective: Objective, total: GradientSum, options: ScoreOptions, made_by: Mapping[str, object]
) -> Scores:
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


def _part_of(progress: Progress, before: int, whole: int) -> Progress:
    """Progress of a part, told as progress of the whole."""

    def tell(label: str, done: int, total: int) -> None:
        progress(label, before + done, whole)

    return tell
