"""Scores every neuron of a model, from all examples, from two halves of the prompts, and for each example alone.

A neuron is one hidden unit of an MLP, of each expert where there are several. Scores of a layer have the name of its
down_proj with '@input', and one entry a neuron.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from holdfast.artifacts import load_sums, save_sums
from holdfast.config import Options, Seed
from holdfast.models.activation_sites import ActivationSite, neuron_sites
from holdfast.models.activations import reading
from holdfast.models.load import LoadedModel
from holdfast.models.logits import LARGEST_BUDGET
from holdfast.models.shards import is_sharded
from holdfast.models.tables import check_fits
from holdfast.objective.completions import Completion, Objective, check_completions
from holdfast.progress import Progress, silent, steps_of
from holdfast.prompts.batching import batches_by_length, right_pad
from holdfast.score.integrated_gradients import STEPS, Attribution, Rule, completeness_error
from holdfast.score.measure import split_by_prompt
from holdfast.score.neuron_methods import NEURON_SCORES, Attributed, NeuronMethod, Settings, mean_effect
from holdfast.score.scoring import HalvedScores, halved_sets, how_made
from holdfast.values import Scores

ByExample = dict[str, Float[Tensor, "example ..."]]
DIFFERENCE = ":difference"
"""Ends the name of the differences that attributions of a site should add up to, in files of unfinished work."""


class NeuronScoreOptions(Options):
    """Options of scoring neurons."""

    method: str = "integrated_gradients"
    """Name of the score: integrated_gradients, alpha_weighted, gradient_times_activation, contrast or probe."""
    steps: int = Field(default=STEPS, ge=1)
    """Steps of integrated gradients."""
    rule: Rule = "gauss_legendre"
    """Places of the steps on the line from start to end: gauss_legendre, left, right or midpoint."""
    token_budget: int | None = Field(default=None, ge=1)
    """Most tokens of a batch. It changes speed and memory, not the scores."""
    seed: Seed = 0
    """Seed of the split into halves."""


@dataclass(frozen=True)
class NeuronScores:
    """Scores of neurons, with those of each example and how far attributions add up."""

    halved: HalvedScores
    by_example: Scores | None
    """Attributions of each example that raise the objective, for the selector votes. None for a method without any."""
    completeness_error: float | None
    """Share of the objective's differences that the attributions miss. None where they need not add up."""


@dataclass(frozen=True)
class Others:
    """Other prompts, whose activations are compared with those of the scored ones or are where attribution starts."""

    prompts: Sequence[str]
    token_ids: Sequence[Sequence[int]]
    """Every prompt as the model receives it, waiting for an answer."""


def score_neurons(
    loaded: LoadedModel,
    objective: Objective,
    options: NeuronScoreOptions = NeuronScoreOptions(),
    progress: Progress = silent,
    *,
    others: Others | None = None,
    keep: Path | None = None,
    beside: Mapping[str, object] | None = None,
) -> NeuronScores:
    """Scores every neuron by a method of NEURON_SCORES.

    Args:
        loaded: the model.
        objective: objective that is attributed. For methods that compare activations its completions give the prompts.
        options: options of the scores.
        progress: called after every example.
        others: other prompts. A comparison needs them. An attribution starts from their activations, one for every
            completion, and from zero without them.
        keep: folder that saves each example, so that a repeated call resumes an interrupted one.
        beside: entries that are added to the metadata, or replace the objective's entries.

    Raises:
        ValueError: the model is sharded or shows no neurons, there are fewer than two prompts, a prompt does not fit
            into the model's context, or other prompts are missing, too many, or end in another token.
    """
    method, sites = _checked(loaded, objective, options, others), neuron_sites(loaded.model)
    halves = split_by_prompt(objective.completions, options.seed)
    if method.compare is None:
        attributions = _attribute(loaded, sites, objective, method, _Work(options, others, progress, keep))
        values = {site.name: torch.stack([each[site.name].values for each in attributions]) for site in sites}
        error = completeness_error([part for each in attributions for part in each.values()])
        scored = _by_formula(values, halves, mean_effect)
        positive = {name: each.clamp(min=0) for name, each in values.items()}
    else:
        assert others is not None
        scored, positive, error = _compared(loaded, sites, objective, others, halves, method.compare), None, None
    made = {**(beside or {}), **({"completeness_error": error} if method.adds_up else {})}
    sets = halved_sets(len(halves[0]), len(halves[1]), options.seed, made)
    whole, first, second = (
        _scores(loaded, objective, options, entries, items.num_items, items.made_by)
        for entries, items in zip(scored, sets, strict=True)
    )
    examples = None if positive is None else _with(whole, positive)
    return NeuronScores(HalvedScores(whole, first, second), examples, error if method.adds_up else None)


def last_prompt_activations(
    loaded: LoadedModel, sites: Sequence[ActivationSite], token_ids: Sequence[Sequence[int]]
) -> ByExample:
    """Returns the activations at the last token of every sequence, on the host."""
    rows: list[dict[str, Tensor]] = [{} for _ in token_ids]
    for batch in batches_by_length([len(ids) for ids in token_ids], LARGEST_BUDGET):
        ids, mask = right_pad([token_ids[place] for place in batch], pad_id=0)
        at = torch.arange(len(batch)), mask.sum(1) - 1
        with torch.no_grad(), reading(loaded.model, sites, at) as activations:
            loaded.model.base_model(
                input_ids=ids.to(loaded.model.device), attention_mask=mask.to(loaded.model.device), use_cache=False
            )
        for site in sites:
            for place, values in zip(batch, activations[site.name].float().cpu(), strict=True):
                rows[place][site.name] = values
    return {site.name: torch.stack([row[site.name] for row in rows]) for site in sites}


@dataclass(frozen=True)
class _Work:
    options: NeuronScoreOptions
    others: Others | None
    progress: Progress
    keep: Path | None


def _checked(
    loaded: LoadedModel, objective: Objective, options: NeuronScoreOptions, others: Others | None
) -> NeuronMethod:
    method = NEURON_SCORES[options.method]
    if is_sharded(loaded.model):
        raise ValueError("neurons are scored in one process, and this model is sharded; leave the sharding out.")
    check_completions(loaded, objective)
    if others is not None:
        check_fits(loaded.model, loaded.tokenizer, others.token_ids)
        if method.compare is None:
            _require_pairs(loaded, objective.completions, others)
    elif method.compare is not None:
        raise ValueError(f"{options.method} compares activations with those of other prompts; give other prompts.")
    return method


def _require_pairs(loaded: LoadedModel, completions: Sequence[Completion], others: Others) -> None:
    """Raises ValueError unless every completion has one other prompt, which ends in the same token as its own."""
    if len(completions) != len(others.prompts):
        raise ValueError(
            f"attribution starts from one other prompt for every example, got {len(others.prompts)} for "
            f"{len(completions)}; give as many, in the same order."
        )
    for completion, prompt, token_ids in zip(completions, others.prompts, others.token_ids, strict=True):
        own, other = completion.token_ids[completion.positions[0] - 1], token_ids[-1]
        if own != other:
            first, second = (repr(loaded.tokenizer.decode([token])) for token in (own, other))
            raise ValueError(
                f"the prompt {completion.prompt[-40:]!r} ends in the token {first} and its other prompt "
                f"{prompt[-40:]!r} in {second}, so their last activations can't be compared; end both alike."
            )


def _attribute(
    loaded: LoadedModel, sites: Sequence[ActivationSite], objective: Objective, method: NeuronMethod, work: _Work
) -> list[dict[str, Attribution]]:
    """Returns the attributions of every item, those of an earlier call from its folder."""
    assert method.attribute is not None
    options, count = work.options, len(objective.completions)
    settings = Settings(options.steps, options.rule, options.token_budget)
    starts = work.others and last_prompt_activations(loaded, sites, work.others.token_ids)
    attributions = []
    was_training = loaded.model.training
    loaded.model.eval()
    for item in steps_of(work.progress, "scoring neurons", range(count)):
        path = work.keep / f"example_{item}.safetensors" if work.keep else None
        if path and path.is_file():
            attributions.append(_load(path))
        else:
            start = {name: values[item] for name, values in starts.items()} if starts else None
            attributions.append(method.attribute(Attributed(loaded, sites, objective, item, start, settings)))
            if path:
                _save(path, attributions[-1])
    loaded.model.train(was_training)
    return attributions


def _save(path: Path, attributions: Mapping[str, Attribution]) -> None:
    values = {name: each.values for name, each in attributions.items()}
    differences = {
        f"{name}{DIFFERENCE}": torch.tensor(each.difference, dtype=torch.float64) for name, each in attributions.items()
    }
    save_sums(path, {**values, **differences}, 1)


def _load(path: Path) -> dict[str, Attribution]:
    kept, _ = load_sums(path)
    names = [name for name in kept if not name.endswith(DIFFERENCE)]
    return {name: Attribution(kept[name], float(kept[f"{name}{DIFFERENCE}"])) for name in names}


def _compared(
    loaded: LoadedModel,
    sites: Sequence[ActivationSite],
    objective: Objective,
    others: Others,
    halves: tuple[list[int], list[int]],
    formula: Callable[[Tensor, Tensor], Tensor],
) -> list[dict[str, Tensor]]:
    """Compares activations of both prompt sets: of all prompts, and of halves of both."""
    prompts = [
        each.token_ids[: each.positions[0]] if each.positions else each.token_ids for each in objective.completions
    ]
    own, other = (last_prompt_activations(loaded, sites, ids) for ids in (prompts, others.token_ids))
    places = list(range(len(others.prompts)))
    sets = [(list(range(len(prompts))), places), (halves[0], places[::2]), (halves[1], places[1::2] or places)]
    return [{name: formula(own[name][mine], other[name][theirs]) for name in own} for mine, theirs in sets]


def _by_formula(
    values: ByExample, halves: tuple[list[int], list[int]], formula: Callable[[Tensor], Tensor]
) -> list[dict[str, Tensor]]:
    count = len(next(iter(values.values())))
    return [{name: formula(each[items]) for name, each in values.items()} for items in (list(range(count)), *halves)]


def _scores(
    loaded: LoadedModel,
    objective: Objective,
    options: NeuronScoreOptions,
    entries: Mapping[str, Tensor],
    num_items: int,
    beside: Mapping[str, object],
) -> Scores:
    unit = NEURON_SCORES[options.method].unit.format(objective=objective.unit)
    total = sum(scores.numel() for scores in entries.values())
    made_by = how_made(loaded, objective, options, num_items, beside)
    return Scores(entries, unit, loaded.base, total, made_by, "neuron")


def _with(scores: Scores, by_example: ByExample) -> Scores:
    return Scores(by_example, scores.unit, scores.base, scores.num_parameters, scores.made_by, "neuron_by_example")
