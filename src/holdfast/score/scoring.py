"""Scores every scored weight by a formula over its value and a measured quantity, from all prompts or from halves."""

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
from holdfast.score.passes import Pass
from holdfast.score.registry import SCORES
from holdfast.score.sums import Sums
from holdfast.values import Scores, ScoresShard


class ScoreOptions(Options):
    """Options of scoring."""

    method: str = "esi"
    """Name of the formula: esi, gradient_magnitude, snip, wanda, magnitude or random."""
    token_budget: int | None = Field(default=None, ge=1)
    """Most tokens of a batch, padding counted. It changes speed and memory, not the scores. By default a batch keeps at
    most 512 MiB for the backward pass on a CPU, or an eighth of the memory on a GPU, and has at most 4096 tokens."""
    sums_on_host: bool = False
    """Keep the sums of gradients in host memory. This saves 4 bytes a scored entry on the device, and is slower."""


@dataclass(frozen=True)
class HalvedScores:
    """Scores from all prompts, and from two halves that share no prompt, which show how stable the scores are."""

    whole: Scores
    first: Scores
    second: Scores


def score(
    loaded: LoadedModel, objective: Objective, options: ScoreOptions = ScoreOptions(), progress: Progress = silent
) -> Scores:
    """Scores every scored weight from all items of the objective."""
    items = range(len(objective.completions))
    needs = SCORES[options.method].needs
    total = measure(loaded, objective, needs, items, _pass(options, progress))
    return to_scores(loaded, objective, total, options)


def _pass(options: ScoreOptions, progress: Progress) -> Pass:
    return Pass(options.token_budget, progress, on_host=options.sums_on_host)


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
    """Scores from two random halves of the prompts and from all. The sums add up, so all three cost one pass.

    Args:
        loaded: the model.
        objective: objective whose completions the scores are measured on.
        options: options of scoring.
        progress: called after every batch.
        seed: seed of the split into halves.
        keep: folder that saves the sums, so that a repeated call resumes an interrupted one and ends with the same
            bits.
        beside: entries that are added to the metadata, or replace the objective's entries.

    Raises:
        ValueError: there are fewer than two distinct prompts.
    """
    needs = SCORES[options.method].needs
    halves = measure_halves(loaded, objective, needs, _pass(options, progress), seed=seed, keep=keep)
    num_first, num_second = (half.num_items for half in halves)
    sets = halved_sets(num_first, num_second, seed, beside or {})
    remaining = [dict(half.sums) for half in halves]
    del halves  # `remaining` alone holds the sums now, and each is freed once it is taken out
    weights = dict(loaded.model.named_parameters())

    def take(name: str) -> tuple[Tensor, Tensor, Tensor]:
        """Removes and returns a parameter's sums, which makes room for its scores."""
        first_sum, second_sum = (sums.pop(name).to(weights[name].device) for sums in remaining)
        return first_sum + second_sum, first_sum, second_sum

    return HalvedScores(*scores_from(loaded, objective, options, take, sets))


def to_scores(loaded: LoadedModel, objective: Objective, total: Sums, options: ScoreOptions) -> Scores:
    """Returns one formula's scores from measured sums, for the rows of a sharded model that this process holds."""
    sets = [ItemSet(total.num_items)]
    return scores_from(loaded, objective, options, lambda name: (total.sums[name],), sets)[0]


@dataclass(frozen=True)
class ItemSet:
    """The items behind some sums."""

    num_items: int
    made_by: Mapping[str, object] = field(default_factory=dict)
    """Entries for the items in the scores' metadata."""


def halved_sets(num_first: int, num_second: int, seed: int, beside: Mapping[str, object]) -> list[ItemSet]:
    """Returns all items and those of each half, with the entries for their scores' metadata."""
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
    """Returns one formula's scores for several sets of items. It asks for every parameter's sums once."""
    method, sites = SCORES[options.method], scored_sites(loaded.model)
    weights = dict(loaded.model.named_parameters())
    here = {site.name: held(weights[site.name]) for site in sites}
    sharded = is_sharded(loaded.model)
    entries: list[dict[str, Tensor]] = [{} for _ in sets]
    reached: list[dict[str, Tensor]] = [{} for _ in sets]
    for site in sites:
        spread = spread_of(weights[site.name], site)
        give_back_freed_memory()  # the freed sums have other sizes than the next scores
        for items, sums, scored, rows in zip(sets, sums_of(site.name), entries, reached, strict=True):
            scored[site.name] = scores_of(weights[site.name], sums / items.num_items, spread, options.method)
            if site.layout.num_experts and method.needs in ("gradient", "inputs"):
                rows[site.name] = count_rows(sums, here[site.name], site.layout.num_experts)

    def scores(items: ItemSet, scored: dict[str, Tensor], rows: dict[str, Tensor]) -> Scores:
        idle = count_idle(sites, rows, all_sum if sharded else _keep)
        return Scores(
            scored,
            unit=method.unit.format(objective=objective.unit),
            base=loaded.base,
            num_parameters=sum(weight.numel() for weight in weights.values()),
            made_by=how_made(loaded, objective, options, items.num_items, {**idle, **items.made_by}),
        )

    made = [scores(*each) for each in zip(sets, entries, reached, strict=True)]
    return [as_shard(whole_scores, here) for whole_scores in made] if sharded else made


def how_made(
    loaded: LoadedModel,
    objective: Objective,
    options: Options,
    num_items: int,
    beside: Mapping[str, object],
) -> dict[str, object]:
    """Returns the scores' metadata about their making. `beside` adds entries that only the caller knows.

    A formula of weights that uses no objective or no prompts records none, unless the caller adds them.
    """
    plain: dict[str, object] = {} if has_chat_template(loaded.tokenizer) else {"chat_format": PLAIN_FORMAT}
    plain |= {"template_arguments": dict(given)} if (given := arguments_of(loaded.tokenizer)) else {}
    chosen = options.model_dump(exclude={"sums_on_host"})  # the place of the sums changes no score
    method = str(chosen["method"])
    formula = SCORES[method] if method in SCORES else None  # noqa: SIM401 - neurons have others
    differentiated = objective.describe() if formula is None or formula.uses_objective else {}
    prompts = {} if "prompts" in beside else {"prompts": _prompts_of(objective)}
    items = {"num_items": num_items, **plain, **prompts} if formula is None or formula.uses_prompts else {}
    about = {"model": model_entry(loaded.name, loaded.base), **version()}
    return {**chosen, **differentiated, **items, **about, **beside}


def _prompts_of(objective: Objective) -> dict[str, object]:
    """Returns the entry for the distinct prompts of an objective's items."""
    prompts = dict.fromkeys(completion.prompt for completion in objective.completions)
    return prompts_entry([Prompt(prompt) for prompt in prompts])


def as_shard(scores: Scores, here: Mapping[str, Held]) -> ScoresShard:
    """Returns the scores of some rows of every parameter, with the shapes of the whole."""
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
    """Returns sigma of whole matrices for the rows that this process holds. It gathers one parameter at a time."""
    return rows_of(sigma(whole(weight.detach()), site.layout), held(weight))


def scores_of(weight: Tensor, mean: Tensor, spread: Tensor, method: str) -> Tensor:
    """Applies the formula to the rows that this process holds."""
    return SCORES[method].formula(local(weight.detach()), mean.to(weight.device), spread).cpu()


def count_idle(
    sites: Sequence[Site], rows: Mapping[str, Tensor], combine: Callable[[Tensor], Tensor]
) -> dict[str, int]:
    """Counts the experts of all layers that no token reached, so that all their measurements and scores are 0."""
    reached: dict[tuple[int | None, str, int], Tensor] = {}
    for site in sites:
        if site.name in rows:
            block = site.layer, site.component.rpartition(".")[0], site.layout.num_experts
            by_expert = combine(rows[site.name]) > 0
            reached[block] = reached[block] | by_expert if block in reached else by_expert
    return {"idle_experts": sum(int((~by_expert).sum()) for by_expert in reached.values())} if reached else {}


def count_rows(total: Tensor, here: Held, num_experts: int) -> Tensor:
    """Counts, for each expert, the rows held here that have a measurement other than zero."""
    experts = torch.arange(here.rows.start, here.rows.stop) * num_experts // here.shape[0]
    measured = total.flatten(1).any(dim=1).cpu()
    return torch.zeros(num_experts).index_add_(0, experts, measured.float())


def _keep(tensor: Tensor) -> Tensor:
    return tensor
