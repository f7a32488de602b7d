"""top(scores, k) = the k entries with the largest scores over all scored tensors together   (a global ranking)

k = fraction of the *scored* entries, not of all parameters. Ties go to the earlier tensor, then the lower index.
"""

from dataclasses import replace
from pathlib import Path

from holdfast.arguments import checked_call
from holdfast.select.origin import cut_by
from holdfast.select.ranking import count_selected, select_extreme
from holdfast.select.registry import SELECTORS, Selector
from holdfast.select.universe import FractionOptions, as_options, part_of
from holdfast.value_or_path import as_scores
from holdfast.values import Mask, Scores


class TopOptions(FractionOptions):
    """Select the entries with the largest scores."""


@checked_call
def select_top(scores: Scores | str | Path, options: TopOptions | float = TopOptions()) -> Mask:
    """Selects the entries with the largest scores in the layers and components that the options name.

    The count is exact: the fraction of all scored entries of the model.

    Example:
        >>> mask = select_top("scores.safetensors", 0.01)

    Args:
        scores: the scores of one model, or the path of their file.
        options: the fraction, and the layers and components to select from. A plain number is the fraction.
    """
    scores = as_scores(scores)
    options = as_options(options, TopOptions)
    num_selected = count_selected(options.fraction, scores.num_entries)
    made_by = cut_by("top", options, scores)
    mask = select_extreme(part_of(scores, options), num_selected, largest=True, made_by=made_by)
    return replace(mask, shapes=scores.shapes)


SELECTORS.register("top")(Selector(select_top, TopOptions))
