"""Scores one layer at a time, from all prompts and from two halves, so that memory never holds all scores.

The scores equal those of `score_halves`. The halves share no prompt, and the sums of the halves add up to those of the
whole.
"""

from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from holdfast.models.layered import LayeredModel
from holdfast.models.shards import held
from holdfast.models.sites import scorable_sites
from holdfast.objective.completions import Objective
from holdfast.progress import Progress, silent
from holdfast.score.layerwise import LayerSums, sum_by_layer
from holdfast.score.measure import split_by_prompt
from holdfast.score.registry import SCORES
from holdfast.score.scoring import (
    HalvedScores,
    ItemSet,
    ScoreOptions,
    count_idle,
    count_rows,
    halved_sets,
    how_made,
    scores_of,
    spread_of,
)
from holdfast.values import Scores


@dataclass(frozen=True, eq=False)
class LayerScores:
    """One layer's scores: from all prompts, from the first half and from the second."""

    number: int
    entries: tuple[Mapping[str, Tensor], ...]
    """Scores by parameter name, float32, on the CPU."""
    idle: tuple[Mapping[str, int], ...]
    """Number of the layer's experts that no token reached. Empty for a layer without experts."""


def refuse_other_needs(method: str) -> None:
    """Raises ValueError for a formula that does not use gradients."""
    if SCORES[method].needs != "gradient":
        possible = ", ".join(sorted(name for name in SCORES if SCORES[name].needs == "gradient"))
        raise ValueError(
            f"method {method} is not scored layer by layer, which sums gradients; choose {possible}, or leave "
            "layer-wise out."
        )


def outline_scores(
    layered: LayeredModel,
    objective: Objective,
    options: ScoreOptions = ScoreOptions(),
    seed: int = 0,
    beside: Mapping[str, object] | None = None,
) -> HalvedScores:
    """Returns the scores before any layer is scored: names and shapes, on the meta device, and metadata.

    `beside` adds entries to the metadata, or replaces the objective's entries.

    Raises:
        ValueError: the formula uses no gradients, or there are fewer than two distinct prompts.
    """
    refuse_other_needs(options.method)
    model, loaded = layered.loaded.model, layered.loaded
    first_half, second_half = split_by_prompt(objective.completions, seed)

    def outline(items: ItemSet) -> Scores:
        return Scores(
            {site.name: torch.empty(site.shape, device="meta") for site in scorable_sites(model)},
            unit=SCORES[options.method].unit.format(objective=objective.unit),
            base=loaded.base,
            num_parameters=sum(weight.numel() for weight in model.parameters()),
            made_by=how_made(loaded, objective, options, items.num_items, items.made_by),
        )

    return HalvedScores(*map(outline, halved_sets(len(first_half), len(second_half), seed, beside or {})))


def score_by_layer(
    layered: LayeredModel,
    objective: Objective,
    options: ScoreOptions = ScoreOptions(),
    progress: Progress = silent,
    *,
    seed: int = 0,
    folder: Path | None = None,
    keep_layers: bool = True,
) -> Generator[LayerScores]:
    """Yields the scores of one layer after another, from the last to the first.

    A layer counts as done once the caller asks for the next one.

    Args:
        layered: the model.
        objective: objective whose completions the scores are measured on.
        options: options of scoring.
        progress: called after every layer, forward and backward.
        seed: seed of the split into halves.
        folder: folder from which an interrupted pass resumes. None keeps everything in memory.
        keep_layers: True does not yield layers again that were done before an interruption.

    Raises:
        ValueError: the formula uses no gradients, there are fewer than two distinct prompts, or the layers can't run
            one by one.
    """
    refuse_other_needs(options.method)
    halves = split_by_prompt(objective.completions, seed)
    settings = {
        "token_budget": options.token_budget,
        "progress": progress,
        "folder": folder,
        "keep_layers": keep_layers,
    }
    with closing(sum_by_layer(layered, objective, halves, **settings)) as layers:
        for sums in layers:
            yield _scores(sums, options.method)


def _scores(sums: LayerSums, method: str) -> LayerScores:
    first_half, second_half = sums.parts
    here = {name: held(weight) for name, weight in sums.weights.items()}
    spread = {site.name: spread_of(sums.weights[site.name], site) for site in sums.sites}
    entries, idle = [], []
    for total in (first_half + second_half, first_half, second_half):
        entries.append({
            name: scores_of(sums.weights[name], total.mean(name), sigma, method) for name, sigma in spread.items()
        })  # fmt: skip
        rows = {
            site.name: count_rows(total.sums[site.name], here[site.name], site.layout.num_experts)
            for site in sums.sites
            if site.layout.num_experts
        }
        idle.append(count_idle(sums.sites, rows, lambda counts: counts))
    return LayerScores(sums.number, tuple(entries), tuple(idle))
