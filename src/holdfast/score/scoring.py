"""Scores of every scored weight: a formula over its value and what was measured of it, from all prompts or halves."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import Field
from torch import Tensor

from holdfast.config import Options
from holdfast.distributed import all_sum
from holdfast.models.layout import sigma
from holdfast.models.load import LoadedModel
from holdfast.models.shards import Held, held, is_sharded, local, rows_of, whole
from holdfast.models.sites import Site, scored_sites
from holdfast.progress import Progress, silent
from holdfast.prompts.chat import PLAIN_FORMAT, has_chat_template
from holdfast.score.measure import measure, measure_halves
from holdfast.score.objective.completions import Objective
from holdfast.score.registry import SCORES
from holdfast.score.sums import Sums
from holdfast.values import Scores, ScoresShard


class ScoreOptions(Options):
    """How weights are scored."""

    method: str = "esi"
    """Name of the formula: esi, gradient_magnitude, snip, wanda, magnitude or random."""
    token_budget: int = Field(default=4096, ge=1)
    """Tokens of a batch at most, padding counted; changes speed and memory, not the scores."""
    sums_on_host: bool = False
    """Keep the sums of gradients in host memory: 4 bytes a scored entry less on the device, and slower."""


@dataclass(frozen=True)
class HalvedScores:
    """Scores from all prompts, and from each of two halves that share no prompt: how stable is the answer?"""

    whole: Scores
    first: Scores
    second: Scores


def score(
    loaded: LoadedModel, objective: Objective, options: ScoreOptions = ScoreOptions(), progress: Progress = silent
) -> Scores:
    """Scores of every scored weight from all items of the objective."""
    items = range(len(objective.completions))
    needs = SCORES[options.method].needs
    how = {"token_budget": options.token_budget, "on_host": options.sums_on_host}
    total = measure(loaded, objective, needs, items, **how, progress=progress)
    return to_scores(loaded, objective, total, options)


def score_halves(
    loaded: LoadedModel,
    objective: Objective,
    options: ScoreOptions = ScoreOptions(),
    progress: Progress = silent,
    *,
    seed: int = 0,
    keep: Path | None = None,
) -> HalvedScores:
    """Scores from two random halves of the prompts and from all, for the price of the whole: the sums add up.

    With a folder to keep the sums in, an interrupted call goes on when it is made again, to the same bits.

    Raises:
        ValueError: there are fewer than two distinct prompts.
    """
    how = {"token_budget": options.token_budget, "on_host": options.sums_on_host, "progress": progress}
    halves = measure_halves(loaded, objective, SCORES[options.method].needs, **how, seed=seed, keep=keep)
    return halved_scores(loaded, objective, halves, options, seed)


def halved_scores(
    loaded: LoadedModel, objective: Objective, halves: tuple[Sums, Sums], options: ScoreOptions, seed: int
) -> HalvedScores:
    """One formula's scores from what was measured on two halves."""
    first, second = halves
    return HalvedScores(
        to_scores(loaded, objective, first + second, options),
        to_scores(loaded, objective, first, options, {"half": 1, "seed": seed}),
        to_scores(loaded, objective, second, options, {"half": 2, "seed": seed}),
    )


def to_scores(
    loaded: LoadedModel,
    objective: Objective,
    total: Sums,
    options: ScoreOptions,
    made_by: Mapping[str, object] | None = None,
) -> Scores:
    """One formula's scores from what was measured; of a sharded model, of the rows that are held here."""
    method, sites = SCORES[options.method], scored_sites(loaded.model)
    weights = dict(loaded.model.named_parameters())
    here = {site.name: held(weights[site.name]) for site in sites}
    sharded = is_sharded(loaded.model)
    combine = all_sum if sharded else _keep
    entries = {site.name: scores_of(weights[site.name], total.mean(site.name), site, options.method) for site in sites}
    idle = count_idle(sites, total, here, combine) if method.needs in ("gradient", "inputs") else {}
    scores = Scores(
        entries,
        unit=method.unit.format(objective=objective.unit),
        base=loaded.base,
        num_parameters=sum(weight.numel() for weight in weights.values()),
        made_by=how_made(loaded, objective, options, total.num_items, {**idle, **(made_by or {})}),
    )
    return as_shard(scores, here) if sharded else scores


def how_made(
    loaded: LoadedModel,
    objective: Objective,
    options: ScoreOptions,
    num_items: int,
    beside: Mapping[str, object],
) -> dict[str, object]:
    """What the scores' metadata keep of how they were made."""
    plain = {} if has_chat_template(loaded.tokenizer) else {"chat_format": PLAIN_FORMAT}
    chosen = options.model_dump(exclude={"sums_on_host"})  # where sums lie changes no score
    return {**chosen, **objective.describe(), "num_items": num_items, **plain, **beside}


def as_shard(scores: Scores, here: Mapping[str, Held]) -> ScoresShard:
    """Scores of some rows of every parameter, with what is known of the whole."""
    return ScoresShard(
        {name: tensor.flatten() for name, tensor in scores.entries.items()},
        scores.unit,
        scores.base,
        scores.num_parameters,
        scores.made_by,
        whole_shapes={name: here[name].shape for name in scores.entries},
        starts={name: here[name].start for name in scores.entries},
    )


def scores_of(weight: Tensor, mean: Tensor, site: Site, method: str) -> Tensor:
    """The formula on the rows that are held here, with sigma of whole matrices: one parameter is gathered at a time."""
    spread = rows_of(sigma(whole(weight.detach()), site.layout), held(weight))
    return SCORES[method].formula(local(weight.detach()), mean.to(weight.device), spread).cpu()


def count_idle(
    sites: Sequence[Site], total: Sums, here: Mapping[str, Held], combine: Callable[[Tensor], Tensor]
) -> dict[str, int]:
    """Experts of all layers of which nothing but zeros was measured: no token reached them, so their scores are 0."""
    reached: dict[tuple[int | None, str, int], Tensor] = {}
    for site in sites:
        if site.layout.num_experts:
            block = site.layer, site.component.rpartition(".")[0], site.layout.num_experts
            by_expert = combine(_count_rows(total.sums[site.name], here[site.name], site.layout.num_experts)) > 0
            reached[block] = reached[block] | by_expert if block in reached else by_expert
    return {"idle_experts": sum(int((~by_expert).sum()) for by_expert in reached.values())} if reached else {}


def _count_rows(total: Tensor, here: Held, num_experts: int) -> Tensor:
    """Rows of each expert, of those held here, of which something was measured."""
    experts = torch.arange(here.rows.start, here.rows.stop) * num_experts // here.shape[0]
    measured = total.flatten(1).any(dim=1).cpu()
    return torch.zeros(num_experts).index_add_(0, experts, measured.float())


def _keep(tensor: Tensor) -> Tensor:
    return tensor
