"""Scores of every scored weight: a formula over its value and what was measured of it, from all prompts or halves."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from pydantic import Field
from torch import Tensor

from holdfast.allocator import give_back_freed_memory
from holdfast.config import Options
from holdfast.distributed import all_sum
from holdfast.made_by import model_entry, prompts_entry, version
from holdfast.models.layout import sigma
from holdfast.models.load import LoadedModel
from holdfast.models.shards import Held, held, is_sharded, local, rows_of, whole
from holdfast.models.sites import Site, scored_sites
from holdfast.objective.completions import Objective
from holdfast.progress import Progress, silent
from holdfast.prompts.chat import PLAIN_FORMAT, has_chat_template
from holdfast.prompts.template_arguments import arguments_of
from holdfast.records import Prompt
from holdfast.score.measure import measure, measure_halves
from holdfast.score.registry import SCORES
from holdfast.score.sums import Sums
from holdfast.values import Scores, ScoresShard


class ScoreOptions(Options):
    """How weights are scored."""

    method: str = "esi"
    """Name of the formula: esi, gradient_magnitude, snip, wanda, magnitude or random."""
    token_budget: int | None = Field(default=None, ge=1)
    """Tokens of a batch at most, padding counted; changes speed and memory, not the scores. When left out, a batch
    keeps at most 512 MiB for the backward pass on a CPU, an eighth of the memory on a GPU, and has 4096 tokens at
    most."""
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
    beside: Mapping[str, object] | None = None,
) -> HalvedScores:
    """Scores from two random halves of the prompts and from all, for the price of the whole: the sums add up.

    Args:
        loaded: the model.
        objective: what is measured on.
        options: how weights are scored.
        progress: called after every batch.
        seed: of the halves.
        keep: folder to keep the sums in, so that an interrupted call goes on when it is made again, to the same bits.
        beside: what the metadata say beside what the objective says, or in its place.

    Raises:
        ValueError: there are fewer than two distinct prompts.
    """
    how = {"token_budget": options.token_budget, "on_host": options.sums_on_host, "progress": progress}
    halves = measure_halves(loaded, objective, SCORES[options.method].needs, **how, seed=seed, keep=keep)
    num_first, num_second = (half.num_items for half in halves)
    sets = halved_sets(num_first, num_second, seed, beside or {})
    remaining = [dict(half.sums) for half in halves]
    del halves  # `remaining` alone holds the sums now, and each is freed once it is taken out
    weights = dict(loaded.model.named_parameters())

    def take(name: str) -> tuple[Tensor, Tensor, Tensor]:
        """A parameter's sums, of which nothing is kept: they make room for its scores."""
        of_first, of_second = (sums.pop(name).to(weights[name].device) for sums in remaining)
        return of_first + of_second, of_first, of_second

    return HalvedScores(*scores_from(loaded, objective, options, take, sets))


def to_scores(loaded: LoadedModel, objective: Objective, total: Sums, options: ScoreOptions) -> Scores:
    """One formula's scores from what was measured; of a sharded model, of the rows that are held here."""
    sets = [ItemSet(total.num_items)]
    return scores_from(loaded, objective, options, lambda name: (total.sums[name],), sets)[0]


@dataclass(frozen=True)
class ItemSet:
    """Items that sums were taken over."""

    num_items: int
    made_by: Mapping[str, object] = field(default_factory=dict)
    """What the scores' metadata say of them."""


def halved_sets(num_first: int, num_second: int, seed: int, beside: Mapping[str, object]) -> list[ItemSet]:
    """All items and those of each half, with what the metadata of their scores say."""
    halves = [
        ItemSet(count, {**beside, "half": half, "seed": seed}) for half, count in ((1, num_first), (2, num_second))
    ]
    return [ItemSet(num_first + num_second, beside), *halves]


def scores_from(
    loaded: LoadedModel,
    objective: Objective,
    options: ScoreOptions,
    sums_of: Callable[[str], Sequence[Tensor]],
    sets: Sequence[ItemSet],
) -> list[Scores]:
    """One formula's scores of several sets of items: every parameter's sums are asked for once, and scored together."""
    method, sites = SCORES[options.method], scored_sites(loaded.model)
    weights = dict(loaded.model.named_parameters())
    here = {site.name: held(weights[site.name]) for site in sites}
    sharded = is_sharded(loaded.model)
    entries: list[dict[str, Tensor]] = [{} for _ in sets]
    reached: list[dict[str, Tensor]] = [{} for _ in sets]
    for site in sites:
        spread = spread_of(weights[site.name], site)
        give_back_freed_memory()  # sums of other sizes than the scores that come next
        for one, sums, found, rows in zip(sets, sums_of(site.name), entries, reached, strict=True):
            found[site.name] = scores_of(weights[site.name], sums / one.num_items, spread, options.method)
            if site.layout.num_experts and method.needs in ("gradient", "inputs"):
                rows[site.name] = count_rows(sums, here[site.name], site.layout.num_experts)

    def scores(one: ItemSet, found: dict[str, Tensor], rows: dict[str, Tensor]) -> Scores:
        idle = count_idle(sites, rows, all_sum if sharded else _keep)
        return Scores(
            found,
            unit=method.unit.format(objective=objective.unit),
            base=loaded.base,
            num_parameters=sum(weight.numel() for weight in weights.values()),
            made_by=how_made(loaded, objective, options, one.num_items, {**idle, **one.made_by}),
        )

    made = [scores(*each) for each in zip(sets, entries, reached, strict=True)]
    return [as_shard(one, here) for one in made] if sharded else made


def how_made(
    loaded: LoadedModel,
    objective: Objective,
    options: ScoreOptions,
    num_items: int,
    beside: Mapping[str, object],
) -> dict[str, object]:
    """What the scores' metadata keep of how they were made; `beside` may name what is known only to the caller."""
    plain: dict[str, object] = {} if has_chat_template(loaded.tokenizer) else {"chat_format": PLAIN_FORMAT}
    plain |= {"template_arguments": dict(given)} if (given := arguments_of(loaded.tokenizer)) else {}
    chosen = options.model_dump(exclude={"sums_on_host"})  # where sums lie changes no score
    asked = {} if "prompts" in beside else {"prompts": _prompts_of(objective)}
    about = {"model": model_entry(loaded.name, loaded.base), **version()}
    return {**chosen, **objective.describe(), "num_items": num_items, **plain, **asked, **about, **beside}


def _prompts_of(objective: Objective) -> dict[str, object]:
    """The distinct prompts of an objective's items."""
    prompts = dict.fromkeys(completion.prompt for completion in objective.completions)
    return prompts_entry([Prompt(prompt) for prompt in prompts])


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


def spread_of(weight: Tensor, site: Site) -> Tensor:
    """The spread of whole matrices, sigma, for the rows that are held here: one parameter is gathered at a time."""
    return rows_of(sigma(whole(weight.detach()), site.layout), held(weight))


def scores_of(weight: Tensor, mean: Tensor, spread: Tensor, method: str) -> Tensor:
    """The formula on the rows that are held here."""
    return SCORES[method].formula(local(weight.detach()), mean.to(weight.device), spread).cpu()


def count_idle(
    sites: Sequence[Site], rows: Mapping[str, Tensor], combine: Callable[[Tensor], Tensor]
) -> dict[str, int]:
    """Experts of all layers of which nothing but zeros was measured: no token reached them, so their scores are 0."""
    reached: dict[tuple[int | None, str, int], Tensor] = {}
    for site in sites:
        if site.name in rows:
            block = site.layer, site.component.rpartition(".")[0], site.layout.num_experts
            by_expert = combine(rows[site.name]) > 0
            reached[block] = reached[block] | by_expert if block in reached else by_expert
    return {"idle_experts": sum(int((~by_expert).sum()) for by_expert in reached.values())} if reached else {}


def count_rows(total: Tensor, here: Held, num_experts: int) -> Tensor:
    """Rows of each expert, of those held here, of which something was measured."""
    experts = torch.arange(here.rows.start, here.rows.stop) * num_experts // here.shape[0]
    measured = total.flatten(1).any(dim=1).cpu()
    return torch.zeros(num_experts).index_add_(0, experts, measured.float())


def _keep(tensor: Tensor) -> Tensor:
    return tensor
