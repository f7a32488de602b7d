"""bottom(scores, k) = the k entries with the smallest scores over all scored tensors together   (a control)

The mirror of top. Ties, too, go to the earlier tensor, then the lower index: with many zero scores that is most of it.
"""

from pydantic import Field

from holdfast.config import Options
from holdfast.select.ranking import count_selected, select_extreme
from holdfast.select.registry import SELECTORS
from holdfast.values import Mask, Scores


class BottomOptions(Options):
    """Select the entries with the smallest scores."""

    fraction: float = Field(default=0.01, gt=0, lt=1)
    """Share of the scored entries to select, in (0, 1)."""


@SELECTORS.register("bottom")
def select_bottom(scores: Scores, options: BottomOptions = BottomOptions()) -> Mask:
    """The lowest-scored fraction of all scored entries, exactly."""
    num_selected = count_selected(options.fraction, scores.num_entries)
    made_by = {"selector": "bottom", **options.model_dump(), "scores": dict(scores.made_by)}
    return select_extreme(scores, num_selected, largest=False, made_by=made_by)
