"""random(scores, k) = k of the scored entries, every set of k as likely as any other   (a control)

The draw depends on the shapes of the scores alone. The mask has as many entries as `top` and `bottom` select at the
same fraction, and larger tensors get more of them by chance. Two closer controls fix the count in every tensor:
- `per_tensor` draws in proportion to the size of the tensor
- `like` draws as many as another mask selects there, so that only the choice within a tensor is random
"""

import logging
from collections.abc import Mapping
from dataclasses import replace
from itertools import accumulate
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor

from holdfast.arguments import checked_call
from holdfast.config import Seed
from holdfast.made_by import version
from holdfast.select.origin import drawn_by
from holdfast.select.ranking import count_selected, mask_of, refuse_too_many
from holdfast.select.registry import SELECTORS, Selector
from holdfast.select.universe import FractionOptions, as_options, part_of, refuse_other_universe
from holdfast.value_or_path import as_mask, as_scores
from holdfast.values import Mask, Scores, entries_in

logger = logging.getLogger(__name__)
NOTHING_TO_MATCH = "the mask to match selects no entry; give one that selects some."


class RandomOptions(FractionOptions):
    """Select entries at random."""

    seed: Seed = 0
    """Seed of the random selection."""
    per_tensor: bool = False
    """Makes random take the same share of every tensor, in place of a draw from all tensors together."""


@checked_call
def select_random(
    scores: Scores | str | Path,
    options: RandomOptions | float = RandomOptions(),
    like: Mask | str | Path | None = None,
    *,
    seed: int | None = None,
) -> Mask:
    """Selects a fraction of the entries at random, or as many in every tensor as the mask `like` selects there.

    The same seed and sizes give the same mask.

    Example:
        >>> control = select_random("scores.safetensors", like=mask, seed=1)

    Args:
        scores: the scores that the selected mask came from, or the path of their file. Only their shapes count.
        options: the fraction, the seed, and the layers and components to draw from. A plain number is the fraction.
        like: the mask, or the path of its file, whose count in every tensor the draw repeats. It replaces a fraction.
        seed: seed of the draw, in place of the one of the options.

    Raises:
        ValueError: `like` belongs to another model or other sites, selects nothing or only whole tensors, or comes
            with an option that it replaces.
    """
    scores = as_scores(scores)
    options = _random_options(options, seed)
    if like is not None:
        like = as_mask(like)
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
        mask = mask_of(part, _split(positions, part), made_by)
    return replace(mask, shapes=scores.shapes)


def random_like(mask: Mask, seed: int) -> Mask:
    """Draws a mask with as many entries in every tensor as another. It equals that of `select_random` with `like`.

    Raises:
        ValueError: the mask selects nothing, or only whole tensors.
    """
    if not len(mask):
        raise ValueError(NOTHING_TO_MATCH)
    _refuse_whole(mask)
    generator = torch.Generator().manual_seed(seed)
    indices = {name: _draw(entries_in(shape), len(mask[name]), generator) for name, shape in mask.shapes.items()}
    model = {"model": mask.made_by["model"]} if "model" in mask.made_by else {}
    made_by = {"selector": "random", "seed": seed, "like": dict(mask.made_by), **version(), **model}
    return replace(mask, indices=indices, made_by=made_by)


def _random_options(options: RandomOptions | float, seed: int | None) -> RandomOptions:
    """Returns the options with the fraction and the seed that stand beside them. Fields not given stay unset."""
    options = as_options(options, RandomOptions)
    given = {name: getattr(options, name) for name in options.model_fields_set}
    return options if seed is None else RandomOptions(**{**given, "seed": seed})


def _refuse_beside(like: Mask, scores: Scores, options: RandomOptions) -> None:
    refuse_other_universe("mask", like, scores)
    if not len(like):
        raise ValueError(NOTHING_TO_MATCH)
    if idle := sorted(options.model_fields_set - {"seed"}):
        raise ValueError(
            f"a mask to match sets how many entries are drawn from every tensor, so {idle[0]} has no effect; leave one "
            "of them out."
        )
    _refuse_whole(like)


def _refuse_whole(like: Mask) -> None:
    """Raises ValueError for a mask of whole matrices, which any draw repeats. Warns where most entries lie in such."""
    whole = sum(index.numel() for name, index in like.indices.items() if index.numel() == entries_in(like.shapes[name]))
    if whole == len(like):
        raise ValueError(
            "the mask to match selects whole matrices, so a draw of as many from each is the same mask; leave it "
            f"out, and draw a fraction of {like.density:.4g} from the whole model."
        )
    if 2 * whole >= len(like):
        logger.warning(
            "%s of the %s entries of the mask to match lie in matrices that it selects whole, where no draw can "
            "differ; without it, a fraction of %.4g draws from the whole model.",
            f"{whole:,}",
            f"{len(like):,}",
            like.density,
        )


def _draw_counts(scores: Scores, counts: Mapping[str, int], seed: int, made_by: Mapping[str, object]) -> Mask:
    """Draws `counts[name]` entries of every tensor, in the order of names and with one generator."""
    generator = torch.Generator().manual_seed(seed)
    indices = {name: _draw(size, counts[name], generator) for name, size in _sizes(scores).items()}
    return mask_of(scores, indices, made_by)


def _share_out(num_selected: int, scores: Scores) -> dict[str, int]:
    """Shares out a number of entries over the tensors, in proportion to their sizes.

    Shares are rounded down, and the entries left over go to the tensors with the largest remainders. Of equal
    remainders the earlier tensor wins. All arithmetic is in integers, so the total is exact at any size.
    """
    exact = {name: divmod(num_selected * size, scores.num_entries) for name, size in _sizes(scores).items()}
    num_left = num_selected - sum(floor for floor, _ in exact.values())
    by_remainder = sorted(exact, key=lambda name: -exact[name][1])
    return {name: exact[name][0] + (name in by_remainder[:num_left]) for name in exact}


def _draw(num_entries: int, num_selected: int, generator: torch.Generator) -> Int[Tensor, " selected"]:
    """Draws sorted, distinct positions below `num_entries`, in memory proportional to their number.

    It draws until there are enough distinct positions, and then drops a random surplus, which favours no position.
    For more than half of the entries it draws those to leave out, because repeats would become too frequent.
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
    """Turns positions in all tensors laid end to end into flat indices of each tensor."""
    sizes = list(_sizes(scores).values())
    ends = list(accumulate(sizes))
    bounds = torch.searchsorted(positions, torch.tensor([0, *ends])).tolist()
    return {
        name: positions[bounds[order] : bounds[order + 1]] - (ends[order] - sizes[order])
        for order, name in enumerate(scores.entries)
    }


def _sizes(scores: Scores) -> dict[str, int]:
    """Number of entries of every whole tensor. A process with a shard of the scores draws the whole mask too."""
    return {name: entries_in(shape) for name, shape in scores.shapes.items()}


SELECTORS.register("random")(Selector(select_random, RandomOptions, takes_like=True))
