"""Scores of two halves of the prompts as the halves grow: n prompts each, then 2n, 4n, ...

The curve shows whether more prompts still change the scores. The halves share no prompt, and each size contains the
prompts of the size before. Sums over items add up, so each size continues from the sums before it, and the whole curve
costs one pass over the prompts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch

from holdfast.models.load import LoadedModel
from holdfast.objective.completions import Objective
from holdfast.progress import Progress, silent
from holdfast.score.measure import measure, part_of, split_by_prompt
from holdfast.score.passes import Pass
from holdfast.score.registry import SCORES
from holdfast.score.scoring import ScoreOptions, to_scores
from holdfast.score.sums import Sums
from holdfast.values import Scores

SMALLEST = 8
"""Prompts of each half at the first size."""
FEWEST = 2 * SMALLEST + 2
"""Smallest number of distinct prompts that gives a second size."""


@dataclass(frozen=True)
class GrownHalves:
    """Scores of two halves of one size."""

    num_prompts: int
    """Number of prompts in each half."""
    first: Scores
    second: Scores


def growing_halves(
    loaded: LoadedModel,
    objective: Objective,
    options: ScoreOptions = ScoreOptions(),
    progress: Progress = silent,
    *,
    smallest: int = SMALLEST,
    seed: int = 0,
) -> Iterator[GrownHalves]:
    """Yields the scores of both halves at every size, from `smallest` prompts each up to all prompts.

    Args:
        loaded: the model.
        objective: objective whose completions the scores are measured on.
        options: options of scoring.
        progress: called after every batch with the number of items done.
        smallest: prompts in each half at the first size. A half with fewer prompts starts whole.
        seed: seed of the split into halves.

    Raises:
        ValueError: there are fewer than two distinct prompts.
    """
    halves = [_by_prompt(objective, items) for items in split_by_prompt(objective.completions, seed)]
    sizes = doubled(smallest, min(map(len, halves)))
    needs, done = SCORES[options.method].needs, 0
    grown: list[Sums | None] = [None, None]
    for start, stop in pairwise([0, *sizes]):
        for half, prompts in enumerate(halves):
            items = [item for prompt in prompts[start:stop] for item in prompt]
            half_progress = part_of(progress, done, len(objective.completions))
            how = Pass(options.token_budget, half_progress, on_host=options.sums_on_host)
            part = measure(loaded, objective, needs, items, how).on_host()
            before = grown[half]
            grown[half] = part if before is None else before + part
            done += len(items)
        first, second = (to_scores(loaded, objective, total, options) for total in grown if total is not None)
        yield GrownHalves(stop, first, second)


def doubled(smallest: int, largest: int) -> list[int]:
    """Returns `smallest`, twice that, and so on while below `largest`, then `largest`."""
    sizes = []
    while smallest < largest:
        sizes.append(smallest)
        smallest *= 2
    return [*sizes, largest]


def _by_prompt(objective: Objective, items: Sequence[int]) -> list[list[int]]:
    """Groups items by their prompt and shuffles the groups, so that the first few are a sample of all."""
    items_of: dict[str, list[int]] = {}
    for item in items:
        items_of.setdefault(objective.completions[item].prompt, []).append(item)
    prompts = list(items_of.values())
    order = torch.randperm(len(prompts), generator=torch.Generator().manual_seed(len(prompts))).tolist()
    return [prompts[position] for position in order]
