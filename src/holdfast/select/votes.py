"""votes(neuron) = number of examples in which it reaches share * (the example's largest score)

Every example votes for the neurons that matter most to it, and the neurons with the most votes are selected. Neurons
that matter to one example alone lose to those that matter to many. The rule is the aggregator of DEPN (EMNLP 2023,
arXiv 2310.20138), and the co-occurrence of IRCAN (arXiv 2406.18406), where an example votes for at most 20 neurons.

An example's largest score is over all layers. Only what raises the objective counts: negative attributions are 0 in
scores by example. Our deviation: of neurons with equally many votes, those with the larger sum of scores come first.
"""

from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from holdfast.arguments import checked_call
from holdfast.select.origin import cut_by
from holdfast.select.ranking import count_selected, select_extreme
from holdfast.select.registry import SELECTORS, Selector
from holdfast.select.universe import FractionOptions, part_of
from holdfast.value_or_path import as_scores
from holdfast.values import Mask, Scores

ByExample = Float[Tensor, "example neuron"]


class VotesOptions(FractionOptions):
    """Select the neurons that reach a share of the largest score in the most examples."""

    share: float = Field(default=0.1, gt=0, le=1)
    """Share of an example's largest score that a neuron must reach to get its vote, in (0, 1]. For votes."""
    most_votes: int | None = Field(default=None, ge=1)
    """Largest number of neurons that an example votes for, those with its largest scores. For votes. By default all
    that reach the share."""


@checked_call
def select_votes(scores: Scores | str | Path, options: VotesOptions = VotesOptions()) -> Mask:
    """Selects the neurons with the most votes, in the layers and components that the options name.

    Args:
        scores: scores by example, or the path of their file, OUT_examples.safetensors of a scoring of neurons.
        options: the fraction of all neurons to select, and what an example votes for.

    Raises:
        ValueError: the scores are not by example, no example has a score above 0, or too few neurons have a vote.
    """
    scores = as_scores(scores)
    if scores.granularity != "neuron_by_example":
        raise ValueError(
            "votes needs scores by example; give the file OUT_examples.safetensors that `holdfast score --unit neuron` "
            "writes beside its scores, or choose selector top."
        )
    part = part_of(scores, options)
    whole_shapes = {name: tuple(shape[1:]) for name, shape in scores.shapes.items()}
    num_neurons = sum(tensor[0].numel() for tensor in scores.entries.values())
    num_selected = count_selected(options.fraction, num_neurons)
    by_example = torch.cat([tensor.flatten(1) for tensor in part.entries.values()], dim=1)
    ranked = _ranked(by_example, options, num_selected)
    sizes = [tensor[0].numel() for tensor in part.entries.values()]
    votes = {
        name: ranks.view(whole_shapes[name]) for name, ranks in zip(part.entries, ranked.split(sizes), strict=True)
    }
    counted = Scores(votes, "votes", scores.base, num_neurons, scores.made_by, "neuron")
    mask = select_extreme(counted, num_selected, largest=True, made_by=cut_by("votes", options, scores))
    return replace(mask, shapes=whole_shapes)


def count_votes(by_example: ByExample, share: float, most: int | None = None) -> Float[Tensor, " neuron"]:
    """Counts the votes of every neuron. An example without a score above 0 has none.

    Raises:
        ValueError: no example has a score above 0.
    """
    largest = by_example.max(dim=1, keepdim=True).values
    if not bool((largest > 0).any()):
        raise ValueError(
            f"no neuron of the {len(by_example)} examples is above the threshold, because no score is above 0; score "
            "on examples whose objective depends on some neuron."
        )
    voted = (by_example >= share * largest) & (by_example > 0)
    if most is not None and most < by_example.shape[1]:
        kept = torch.zeros_like(voted).scatter_(1, by_example.topk(most, dim=1).indices, True)
        voted &= kept
    return voted.sum(0).float()


def _ranked(by_example: ByExample, options: VotesOptions, num_selected: int) -> Float[Tensor, " neuron"]:
    """Returns votes, plus less than one vote for the sum of the scores. 0 for a neuron without a vote."""
    votes = count_votes(by_example, options.share, options.most_votes)
    if (num_voted := int((votes > 0).sum())) < num_selected:
        raise ValueError(
            f"only {num_voted} neurons reach {options.share:g} of an example's largest score, so a choice of "
            f"{num_selected} would pick others arbitrarily; lower the fraction or the share."
        )
    sums = by_example.sum(0)
    return torch.where(votes > 0, votes + sums / (2 * sums.max()), 0.0)


SELECTORS.register("votes")(Selector(select_votes, VotesOptions))
