"""threshold(scores, v) = all entries with a score of v or more   (an absolute cut: the scores decide how many)

v has the unit of the scores. It is rounded to float32, the dtype of the ranking, so a score that prints as v is
selected.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
from pydantic import Field

from holdfast.arguments import checked_call
from holdfast.select.origin import cut_by
from holdfast.select.ranking import score_range, select_at_least
from holdfast.select.registry import SELECTORS, Selector
from holdfast.select.universe import PartOptions, part_of
from holdfast.value_or_path import as_scores
from holdfast.values import Mask, Scores


class ThresholdOptions(PartOptions):
    """Select the entries whose scores reach a value."""

    threshold: float = Field(allow_inf_nan=False)
    """Smallest score to select, in the unit of the scores. Needed by the selector threshold."""


@checked_call
def select_threshold(scores: Scores | str | Path, options: ThresholdOptions) -> Mask:
    """Selects every entry whose score reaches the threshold, in the layers and components that the options name.

    Raises:
        ValueError: the threshold selects none or all of those entries.
    """
    scores = as_scores(scores)
    part = part_of(scores, options)
    lowest, highest = score_range(part)
    with np.errstate(over="ignore"):  # beyond float32 is infinity, which no score reaches
        threshold = np.float32(options.threshold)
    if not lowest < threshold <= highest:
        what = "all" if threshold <= lowest else "none"
        raise ValueError(
            f"threshold {options.threshold:g} selects {what} of the {part.num_entries} entries, whose scores range "
            f"from {lowest!s} to {highest!s}; give one above the smallest, up to the largest."
        )
    made_by = cut_by("threshold", options, scores)
    return replace(select_at_least(part, threshold, made_by=made_by), shapes=scores.shapes)


SELECTORS.register("threshold")(Selector(select_threshold, ThresholdOptions))
