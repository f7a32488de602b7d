"""Scores of two halves as they grow: n prompts each, then 2n, 4n, ...   (do more prompts still change the answer?)

The halves share no prompt, and each size holds the prompts of the one before. Sums over items add up, so a size goes on
from the sums of the one before, and the whole curve costs one pass over the prompts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch

from holdfast.models.load import LoadedModel
from holdfast.objective.completions import Objective
from holdfast.progress import Progress, silent
from holdfast.score.measure import measure, part_of, split_by_prompt
from holdfast.score.registry import SCORES
from holdfast.score.scoring import ScoreOptions, to_scores
from holdfast.score.sums import Sums
from holdfast.values import Scores

SMALLEST = 8
"""Prompts of each half at the first size."""
FEWEST = 2 * SMALLEST + 2
"""Distinct prompts from which on there is a second size."""


@dataclass(frozen=True)
class GrownHalves:
    """Scores of two halves of one size."""

    num_prompts: int
    """In each half."""
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
    """Scores of both halves at every size, from `smallest` prompts each up to all that there are.

    Args:
        loaded: the model.
        objective: what is measured on.
        options: how weights are scored.
        progress: called after every batch with the items done.
        smallest: prompts in each half at first; a half that has fewer starts whole.
        seed: of the halves.

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
            told = part_of(progress, done, len(objective.completions))
            how = {"token_budget": options.token_budget, "on_host": options.sums_on_host, "progress": told}
            part = measure(loaded, objective, needs, items, **how).on_host()
            before = grown[half]
            grown[half] = part if before is None else before + part
            done += len(items)
        first, second = (to_scores(loaded, objective, total, options) for total in grown if total is not None)
        yield GrownHalves(stop, first, second)


def doubled(smallest: int, largest: int) -> list[int]:
    """`smallest`, twice that, and so on below `largest`, which comes last."""
    sizes = []
    while smallest < largest:
        sizes.append(smallest)
        smallest *= 2
    return [*sizes, largest]


def _by_prompt(objective: Objective, items: Sequence[int]) -> list[list[int]]:
    """The items of each prompt, shuffled, so that the first few are a sample of them all."""
    found: dict[str, list[int]] = {}
    for item in items:
        found.setdefault(objective.completions[item].prompt, []).append(item)
    prompts = list(found.values())
    order = torch.randperm(len(prompts), generator=torch.Generator().manual_seed(len(prompts))).tolist()
    return [prompts[position] for position in order]
