"""bottom(scores, k) = the k entries with the smallest scores over all scored tensors together   (a control)

The mirror image of `top`. Ties go to the earlier tensor, then to the lower index. Where many scores are 0, most of the
selection is made by that rule.
"""

from dataclasses import replace
from pathlib import Path

from holdfast.arguments import checked_call
from holdfast.select.origin import cut_by
from holdfast.select.ranking import count_selected, select_extreme
from holdfast.select.registry import SELECTORS, Selector
from holdfast.select.universe import FractionOptions, part_of
from holdfast.value_or_path import as_scores
from holdfast.values import Mask, Scores


class BottomOptions(FractionOptions):
    """Select the entries with the smallest scores."""


@checked_call
def select_bottom(scores: Scores | str | Path, options: BottomOptions = BottomOptions()) -> Mask:
    """Selects the entries with the smallest scores in the layers and components that the options name.

    The count is exact: the fraction of all scored entries of the model.
    """
    scores = as_scores(scores)
    num_selected = count_selected(options.fraction, scores.num_entries)
    made_by = cut_by("bottom", options, scores)
    mask = select_extreme(part_of(scores, options), num_selected, largest=False, made_by=made_by)
    return replace(mask, shapes=scores.shapes)


SELECTORS.register("bottom")(Selector(select_bottom, BottomOptions))
