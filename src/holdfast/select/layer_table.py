"""Table of a mask, or of the largest scores, with a row for each component of each layer."""

from pathlib import Path

import torch

from holdfast.arguments import checked_call
from holdfast.file_kinds import identify
from holdfast.granularity import UNITS
from holdfast.models.by_layer import ByLayer, count_by_layer
from holdfast.select.top import select_top
from holdfast.value_or_path import as_mask, as_scores
from holdfast.values import Mask, Scores


@checked_call
def layer_table(value: Mask | Scores | str | Path, *, fraction: float | None = None) -> list[dict[str, object]]:
    """Counts the selected entries of a mask, or the largest scores, in every component of every layer.

    `pandas.DataFrame(...)` takes the rows. The columns are layer, component, entries, selected, share, density and
    relative_density. A relative density of 1 is what a random choice has. Scores also have the columns mean_score and
    share_of_score.

    Example:
        >>> rows = layer_table(mask)
        >>> densest = max(rows, key=lambda row: row["relative_density"])

    Args:
        value: a mask or scores, or the path of a file of either.
        fraction: for scores, the share of them that counts as selected. None takes 0.01. A mask takes none.

    Raises:
        ValueError: the value is something else, or a fraction is given for a mask.
    """
    if isinstance(value, str | Path):
        value = as_scores(value) if identify(Path(value)).name == "scores" else as_mask(value)
    if isinstance(value, Scores):
        return _of_scores(value, 0.01 if fraction is None else fraction)
    mask = as_mask(value)
    if fraction is not None:
        raise ValueError(f"a mask has its selection, and got fraction={fraction!r}; leave the fraction out.")
    return _counted(mask).records()


def _counted(mask: Mask, totals: dict[str, float] | None = None) -> ByLayer:
    counts = {name: len(index) for name, index in mask.indices.items()}
    mean = "score" if totals is not None else None
    return count_by_layer(mask.shapes, counts, totals, mean=mean, units=UNITS[mask.granularity])


def _of_scores(scores: Scores, fraction: float) -> list[dict[str, object]]:
    # float64: a float32 sum over millions of small scores loses the small ones.
    totals = {name: float(entries.sum(dtype=torch.float64)) for name, entries in scores.entries.items()}
    return _counted(select_top(scores, fraction), totals).records()
