"""Selects again from the scores of two halves of the prompts: would other prompts select the same weights?

`holdfast score` writes scores of two halves that share no prompt. A selection from each has an IoU, which says how far
the selection depends on the prompts. Where utility scores have halves too, each safety half goes with one of them.
"""

from collections.abc import Mapping
from pathlib import Path

from holdfast.artifacts import load_scores
from holdfast.distributed import world_size
from holdfast.pipeline.scoring_files import files_of
from holdfast.select.overlap import Overlap, overlap
from holdfast.select.registry import find_selector

READ = ("top", "safety_only", "threshold")
"""Selectors whose selection from halves says something. Random weights read no scores."""
LARGEST = 4 * 10**9
"""Largest size in bytes of the halves' files that are read. Larger models would need too much memory."""


def halves_overlap(
    scores: Path, selector: str, given: Mapping[str, object], utility: Path | None = None
) -> Overlap | None:
    """Compares what a selector selects from the two halves beside its scores.

    Args:
        scores: path of the whole scores.
        selector: name of the selector.
        given: its options, as for the whole scores.
        utility: path of utility scores, for a selector that needs them.

    Returns:
        The overlap. None where the scores have no halves beside them, the files are large, or several processes run.
    """
    halves = files_of(scores)[1:]
    beside = _halves_or_whole(utility) if utility else []
    if selector not in READ or world_size() > 1 or not _are_small([*halves, *beside]):
        return None
    chosen = find_selector(selector, [*given, *(["utility"] if utility else [])])
    masks = []
    for place, half in enumerate(halves):
        other = {"utility": load_scores(beside[place])} if beside else {}
        masks.append(chosen.select(load_scores(half), options=chosen.options.model_validate(given), **other))
    return overlap(*masks)


def _halves_or_whole(utility: Path) -> list[Path]:
    """Returns the halves of utility scores, or twice the whole file where it has none."""
    halves = files_of(utility)[1:]
    return halves if all(half.is_file() for half in halves) else [utility, utility]


def _are_small(files: list[Path]) -> bool:
    return all(file.is_file() for file in files) and sum(file.stat().st_size for file in files) <= LARGEST
