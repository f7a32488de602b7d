"""random(scores, k) = k of the scored entries, every set of k as likely as any other   (a control)

Of the scores only the shapes count. Matched in size with top and bottom at the same fraction; larger tensors get more.
"""

from itertools import accumulate

import torch
from jaxtyping import Int
from pydantic import Field
from torch import Tensor

from holdfast.config import Options
from holdfast.select.ranking import count_selected
from holdfast.select.registry import SELECTORS
from holdfast.values import Mask, Scores


class RandomOptions(Options):
    """Select entries at random."""

    fraction: float = Field(default=0.01, gt=0, lt=1)
    """Share of the scored entries to select, in (0, 1)."""
    seed: int = 0
    """Seed of the draw."""


@SELECTORS.register("random")
def select_random(scores: Scores, options: RandomOptions = RandomOptions()) -> Mask:
    """A random fraction of all scored entries; the same seed and shapes give the same mask."""
    num_selected = count_selected(options.fraction, scores.num_entries)
    generator = torch.Generator().manual_seed(options.seed)
    positions = _draw(scores.num_entries, num_selected, generator)
    made_by = {"selector": "random", **options.model_dump()}
    return Mask(_split(positions, scores), scores.shapes, scores.base, scores.num_parameters, made_by)


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
    sizes = [tensor.numel() for tensor in scores.entries.values()]
    ends = list(accumulate(sizes))
    bounds = torch.searchsorted(positions, torch.tensor([0, *ends])).tolist()
    return {
        name: positions[bounds[order] : bounds[order + 1]] - (ends[order] - sizes[order])
        for order, name in enumerate(scores.entries)
    }
