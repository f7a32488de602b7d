"""Ranks the weights that a fine-tuning moved, by one of four scores. Only the largest are kept in memory.

    top           scores(w)                              from a file
    safety_only   scores(w), 0 for utility-critical w    from two files
    effect        max(0, (w_goal - w) dL/dw)             L = mean log-likelihood of given refusals, at the tuned model
    random        uniform noise                          a control

All are 0 for weights that did not move. `effect` is the first-order gain of L when w goes back (nats a token): weights
whose return would make refusals less likely score 0.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from holdfast.artifacts import load_mask, load_scores
from holdfast.granularity import UNITS
from holdfast.intervene.patch.restore import Ends
from holdfast.intervene.patch.restore_options import RestoreOptions
from holdfast.made_by import Meta, base_of, named_apart, prompts_entry
from holdfast.models.load import LoadedModel
from holdfast.objective.response_likelihood import ResponseLikelihood
from holdfast.pipeline.scoring_files import outline_of_scores
from holdfast.progress import Progress
from holdfast.records import Exchange
from holdfast.score.gradient import sum_gradients
from holdfast.score.passes import Pass
from holdfast.select import TopOptions, select_top
from holdfast.select.candidates import Candidates
from holdfast.tensor_files import runs
from holdfast.values import Mask, Scores

ScoresOf = Callable[[str], Float[Tensor, " entries"]]
"""A function that returns the flat scores of a parameter."""


@dataclass(frozen=True, eq=False)
class Ranking:
    """Scores of the weights that can be put back, which are read or made one parameter at a time."""

    outline: Scores
    """Names, shapes and metadata, without values."""
    scores_of: ScoresOf


class Choice:
    """The weights with the largest scores among those that moved."""

    def __init__(self, ends: Ends, ranking: Ranking, fraction: float, progress: Progress) -> None:
        """Ranks all parameters, and keeps the candidates.

        Raises:
            ValueError: no weight moved, or none that moved has a score above 0.
        """
        self.moved = 0
        self._candidates = Candidates(ranking.outline, TopOptions(fraction=fraction))
        for done, (name, shape) in enumerate(ends.shapes.items(), start=1):
            is_moved = moved_entries(ends, name)
            self.moved += int(is_moved.sum())
            self._candidates.add(name, ranking.scores_of(name).mul_(is_moved).view(shape))
            progress("ranking parameters", done, len(ends.shapes))
        refuse_unmoved(ends, self.moved)
        self.size = min(self._candidates.num_selected, self._candidates.num_kept)
        """Number of weights to put back: the budget, or all that moved and have a score."""
        if not self.size:
            raise ValueError("no weight that moved has a score above 0; give other scores, or choose random.")

    def mask(self, size: int) -> Mask:
        """Selects the weights with the largest scores."""
        return self._candidates.select(num_selected=size)


def refuse_unmoved(ends: Ends, moved: int) -> None:
    """Raises ValueError when no scored weight moved."""
    if not moved:
        raise ValueError(
            f"{ends.tuned.name!r} has the scored weights of {ends.aligned.name!r}, bit for bit, so there is nothing to "
            "restore."
        )


def moved_entries(ends: Ends, name: str) -> Bool[Tensor, " entries"]:
    """Marks the entries of a parameter that moved."""
    is_moved = torch.zeros(ends.start.parameters[name].num_entries, dtype=torch.bool)
    for chunk in ends.moved(name):
        is_moved[chunk.index] = True
    return is_moved


def mask_of_moved(ends: Ends, path: Path, bases: Sequence[str]) -> tuple[Mask, int]:
    """Loads a mask of the weights to put back, and counts all weights that moved.

    Raises:
        ValueError: the mask was made for another model, or none of its weights moved.
    """
    mask = load_mask(path)
    _refuse_foreign(f"mask {str(path)!r}", mask, ends, bases)
    moved = both = 0
    for name in ends.shapes:
        is_moved = moved_entries(ends, name)
        moved, both = moved + int(is_moved.sum()), both + int(is_moved[mask[name]].sum())
    refuse_unmoved(ends, moved)
    if not both:
        raise ValueError(f"none of the weights in mask {str(path)!r} moved, so there is nothing to restore.")
    return mask, moved


def from_file(ends: Ends, path: Path, utility: Path | None, options: RestoreOptions, bases: Sequence[str]) -> Ranking:
    """Ranks by a file of scores, without the weights most important for utility where utility scores are given."""
    outline, stored = outline_of_scores(path)
    _refuse_foreign(f"scores {str(path)!r}", outline, ends, bases)
    whole: ScoresOf = lambda name: stored[name].read(0, stored[name].num_entries)  # noqa: E731
    if utility is None:
        return Ranking(outline, whole)
    usefulness = load_scores(utility)
    _refuse_foreign(f"utility scores {str(utility)!r}", usefulness, ends, bases)
    left_out = select_top(usefulness, TopOptions(fraction=options.utility_fraction))
    return Ranking(outline, lambda name: whole(name).index_fill(0, left_out[name], 0))


def by_effect(ends: Ends, tuned: LoadedModel, refusals: Sequence[Exchange], base: str, progress: Progress) -> Ranking:
    """Ranks by the first-order gain in the likelihood of given refusals."""
    objective = ResponseLikelihood(tuned.tokenizer, refusals, "refusal_likelihood")
    names = list(ends.shapes)
    gradients = sum_gradients(tuned.model, names, objective, range(len(refusals)), Pass(progress=progress))

    def effects(name: str) -> Tensor:
        parameter, gradient = ends.start.parameters[name], gradients.mean(name).flatten().cpu()
        for start, count in runs(parameter.num_entries):
            old, new = (each.read(start, count).float() for each in (parameter, ends.goal[name]))
            gradient[start : start + count].mul_(new - old).clamp_(min=0)
        return gradient

    made_by = {"objective": "refusal_likelihood", "prompts": prompts_entry(refusals)}
    return Ranking(_outline(ends, base, made_by), effects)


def at_random(ends: Ends, base: str, seed: int) -> Ranking:
    """Ranks at random."""
    generator = torch.Generator().manual_seed(seed)
    draw = partial(torch.rand, generator=generator)
    return Ranking(_outline(ends, base, {"seed": seed}), lambda name: draw(ends.start.parameters[name].num_entries))


def _outline(ends: Ends, base: str, made_by: Meta) -> Scores:
    entries = {name: torch.empty(shape, device="meta") for name, shape in ends.shapes.items()}
    num_parameters = sum(parameter.num_entries for parameter in ends.start.parameters.values())
    return Scores(entries, "", base, num_parameters, made_by)


def _refuse_foreign(what: str, given: Scores | Mask, ends: Ends, bases: Sequence[str]) -> None:
    """Raises ValueError when scores or a mask belong to neither of the two models, or are not of weights."""
    if given.granularity != "weight":
        raise ValueError(
            f"{what} is of {UNITS[given.granularity]}, and restore puts back weights; give scores of weights, or a "
            "mask that holdfast.neuron_weights(model, mask) made."
        )
    if given.base not in bases or dict(given.shapes) != ends.shapes:
        ends_named = zip((ends.aligned.name, ends.tuned.name), bases, strict=True)
        made_for = named_apart(base_of(given), *ends_named)[0]
        raise ValueError(
            f"{what} is of {made_for}, which is neither {ends.aligned.name!r} nor {ends.tuned.name!r}; make it from "
            "one of the two."
        )
