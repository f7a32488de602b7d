"""bottom(scores, k) = the k entries with the smallest scores over all scored tensors together   (a control)

The mirror of top. Ties, too, go to the earlier tensor, then the lower index: with many zero scores that is most of it.
"""

from dataclasses import replace

from holdfast.select.origin import cut_by
from holdfast.select.ranking import count_selected, select_extreme
from holdfast.select.registry import SELECTORS, Selector
from holdfast.select.universe import FractionOptions, part_of
from holdfast.values import Mask, Scores


class BottomOptions(FractionOptions):
    """Select the entries with the smallest scores."""


def select_bottom(scores: Scores, options: BottomOptions = BottomOptions()) -> Mask:
    """The lowest-scored entries, exactly: a fraction of all scored entries, in the part that the options allow."""
    num_selected = count_selected(options.fraction, scores.num_entries)
    made_by = cut_by("bottom", options, scores)
    mask = select_extreme(part_of(scores, options), num_selected, largest=False, made_by=made_by)
    return replace(mask, shapes=scores.shapes)


SELECTORS.register("bottom")(Selector(select_bottom, BottomOptions))
