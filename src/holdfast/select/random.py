"""random(scores, k) = k of the scored entries, every set of k as likely as any other   (a control)

Of the scores only the shapes count. Matched in size with top and bottom at the same fraction; larger tensors get more,
by chance. Two closer controls fix how many entries of every tensor are drawn: `per_tensor` in proportion to its size,
`like` as many as another mask selects there, which leaves nothing but the choice within a tensor to chance.
"""

from collections.abc import Mapping
from dataclasses import replace
from itertools import accumulate

import torch
from jaxtyping import Int
from torch import Tensor

from holdfast.config import Seed
from holdfast.select.origin import drawn_by
from holdfast.select.ranking import count_selected, refuse_too_many
from holdfast.select.registry import SELECTORS, Selector
from holdfast.select.universe import FractionOptions, part_of, refuse_other_universe
from holdfast.values import Mask, Scores, entries_in


class RandomOptions(FractionOptions):
    """Select entries at random."""

    seed: Seed = 0
    """Seed of the random selection."""
    per_tensor: bool = False
    """Makes random take the same share of every tensor, in place of a draw from all tensors together."""


def select_random(scores: Scores, options: RandomOptions = RandomOptions(), like: Mask | None = None) -> Mask:
    """Random entries, as many as the fraction says, or in every tensor as many as `like` selects there.

    The same seed and sizes give the same mask.

    Raises:
        ValueError: `like` is of another model or other sites, selects nothing, or is given beside an option that it
            takes the place of.
    """
    if like is not None:
        _refuse_beside(like, scores, options)
        counts = {name: like[name].numel() for name in scores.entries}
        made_by = drawn_by(scores, seed=options.seed, like=dict(like.made_by))
        return _draw_counts(scores, counts, options.seed, made_by)
    part, num_selected = part_of(scores, options), count_selected(options.fraction, scores.num_entries)
    refuse_too_many(num_selected, part.num_entries)
    made_by = drawn_by(scores, **options.model_dump())
    if options.per_tensor:
        mask = _draw_counts(part, _share_out(num_selected, part), options.seed, made_by)
    else:
        generator = torch.Generator().manual_seed(options.seed)
        positions = _draw(part.num_entries, num_selected, generator)
        mask = Mask(_split(positions, part), part.shapes, part.base, part.num_parameters, made_by)
    return replace(mask, shapes=scores.shapes)


def _refuse_beside(like: Mask, scores: Scores, options: RandomOptions) -> None:
    refuse_other_universe("mask", like, scores)
    if not len(like):
        raise ValueError("the mask to match selects no entry; give one that selects some.")
    if idle := sorted(options.model_fields_set - {"seed"}):
        raise ValueError(
            f"a mask to match says how many entries are drawn where, so {idle[0]} has no effect; leave one of them out."
        )


def _draw_counts(scores: Scores, counts: Mapping[str, int], seed: int, made_by: Mapping[str, object]) -> Mask:
    """So many random entries of every tensor; one generator draws for all, in the order of their names."""
    generator = torch.Generator().manual_seed(seed)
    indices = {name: _draw(size, counts[name], generator) for name, size in _sizes(scores).items()}
    return Mask(indices, scores.shapes, scores.base, scores.num_parameters, made_by)


def _share_out(num_selected: int, scores: Scores) -> dict[str, int]:
    """Entries of every tensor, in proportion to its size; those that rounding down leaves go to the largest remainders.

    Equal remainders go to the earlier tensor. In whole numbers throughout, so that the total is exact at any size.
    """
    exact = {name: divmod(num_selected * size, scores.num_entries) for name, size in _sizes(scores).items()}
    num_left = num_selected - sum(floor for floor, _ in exact.values())
    by_remainder = sorted(exact, key=lambda name: -exact[name][1])
    return {name: exact[name][0] + (name in by_remainder[:num_left]) for name in exact}


def _draw(num_entries: int, num_selected: int, generator: torch.Generator) -> Int[Tensor, " selected"]:
    """Sorted distinct positions below `num_entries`, in memory proportional to how many are drawn.

    Positions are drawn until enough distinct ones are there, then a random surplus is dropped: no position is favoured.
    Above one half the rest is drawn instead, or repeats would take over.
    """
    if num_selected > num_entries // 2:
        left_out = torch.ones(num_entries, dtype=torch.bool)
        left_out[_draw(num_entries, num_entries - num_selected, generator)] = False
        return left_out.nonzero().flatten()
    distinct = torch.empty(0, dtype=torch.int64)
    while len(distinct) < num_selected:
        more = torch.randint(num_entries, (num_selected,), generator=generator)
        distinct = torch.cat([distinct, more]).unique()
    kept = torch.randperm(len(distinct), generator=generator)[:num_selected]
    return distinct[kept].sort().values


def _split(positions: Int[Tensor, " selected"], scores: Scores) -> dict[str, Int[Tensor, " _"]]:
    """Positions in all tensors laid end to end, as flat indices of each."""
    sizes = list(_sizes(scores).values())
    ends = list(accumulate(sizes))
    bounds = torch.searchsorted(positions, torch.tensor([0, *ends])).tolist()
    return {
        name: positions[bounds[order] : bounds[order + 1]] - (ends[order] - sizes[order])
        for order, name in enumerate(scores.entries)
    }


def _sizes(scores: Scores) -> dict[str, int]:
    """Entries of every tensor: where several processes hold parts of the scores, each draws the whole mask."""
    return {name: entries_in(shape) for name, shape in scores.shapes.items()}


SELECTORS.register("random")(Selector(select_random, RandomOptions, takes_like=True))
