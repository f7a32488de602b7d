"""top(scores, k) = the k entries with the largest scores over all scored tensors together   (a global ranking)

k = fraction of the *scored* entries, not of all parameters. Ties go to the earlier tensor, then the lower index.
"""

from pydantic import Field

from holdfast.config import Options
from holdfast.select.ranking import count_selected, select_extreme
from holdfast.select.registry import SELECTORS
from holdfast.values import Mask, Scores


class TopOptions(Options):
    """Select the entries with the largest scores."""

    fraction: float = Field(default=0.01, gt=0, lt=1)
    """Share of the scored entries to select, in (0, 1)."""


@SELECTORS.register("top")
def select_top(scores: Scores, options: TopOptions = TopOptions()) -> Mask:
    """The highest-scored fraction of all scored entries, exactly."""
    num_selected = count_selected(options.fraction, scores.num_entries)
    made_by = {"selector": "top", **options.model_dump(), "scores": dict(scores.made_by)}
    return select_extreme(scores, num_selected, largest=True, made_by=made_by)
