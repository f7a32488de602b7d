"""safety_only(S, U) = the first k entries down the ranking by S that are not in top(U, q)   (safety minus utility)

S scores safety and U scores utility. q = utility_fraction and k = fraction, both of the scored entries. Wei et al.
2024, arXiv 2402.05162, subtract two top sets, so the size of their result varies. Our deviation: we go on down the
safety ranking until there are exactly k entries, so that a safety-only mask compares with a plain one of the same size.
Layers and components limit the k entries. top(U, q) is always taken over the whole model.
"""

import logging
from dataclasses import replace
from pathlib import Path

import torch
from pydantic import Field

from holdfast.arguments import checked_call
from holdfast.distributed import gathered
from holdfast.made_by import UNKNOWN_OBJECTIVES, UTILITY
from holdfast.objective.registry import is_safety, names
from holdfast.select.origin import cut_by
from holdfast.select.ranking import count_selected, select_extreme
from holdfast.select.registry import SELECTORS, Selector
from holdfast.select.top import TopOptions, select_top
from holdfast.select.universe import FractionOptions, as_options, part_of, refuse_other_universe
from holdfast.value_or_path import as_scores
from holdfast.values import Mask, Scores

logger = logging.getLogger(__name__)


class SetDifferenceOptions(FractionOptions):
    """Select the entries that matter to safety and not to utility."""

    utility_fraction: float = Field(default=0.05, gt=0, lt=1)
    """Share of the scored weights, those most important for utility, that safety_only leaves out, in (0, 1)."""


@checked_call
def select_safety_only(
    scores: Scores | str | Path,
    utility: Scores | str | Path,
    options: SetDifferenceOptions | float = SetDifferenceOptions(),
) -> Mask:
    """Selects the entries with the largest safety scores outside the utility-critical set.

    Args:
        scores: scores of a safety objective, or the path of their file.
        utility: scores of the objective utility of the same model, or the path of their file.
        options: the fractions, layers and components. A plain number is the fraction to select.

    Raises:
        ValueError: the two scores belong to different models or sites, are swapped, are the same, or do not score
            safety and utility. Or the utility-critical set leaves too few entries.
    """
    scores, utility = as_scores(scores), as_scores(utility)
    options = as_options(options, SetDifferenceOptions)
    refuse_other_universe("utility", utility, scores)
    refuse_other_objectives(scores, utility)
    utility_critical = select_top(utility, TopOptions(fraction=options.utility_fraction))
    num_selected = count_selected(options.fraction, scores.num_entries)
    made_by = cut_by("safety_only", options, scores, utility=dict(utility.made_by))
    part = part_of(scores, options)
    mask = select_extreme(part, num_selected, largest=True, made_by=made_by, exclude=utility_critical)
    return replace(mask, shapes=scores.shapes)


def refuse_other_objectives(scores: Scores, utility: Scores) -> None:
    """Raises ValueError when two scores are known not to be of a safety objective and of the objective utility.

    It logs a warning where the utility scores do not record their objective. Earlier versions gave both likelihoods
    one name.
    """
    safety_objective, other_objective = (given.made_by.get("objective") for given in (scores, utility))
    if safety_objective == UTILITY:
        advice = "swap the two" if other_objective in names(is_safety) else "give scores of a safety objective"
        raise ValueError(
            f"the scores are of objective utility, and the utility scores of {other_objective}; {advice}: safety_only "
            "takes safety scores first and utility scores second."
        )
    if other_objective != UTILITY and other_objective not in UNKNOWN_OBJECTIVES:
        raise ValueError(
            f"the utility scores are of objective {other_objective}, which is not utility; give those that `holdfast "
            "score --objective utility` wrote."
        )
    if _same_numbers(scores, utility):
        raise ValueError(
            "the scores and the utility scores are the same numbers, so nothing tells safety from utility; give those "
            "that `holdfast score --objective utility` wrote as the utility scores."
        )
    if other_objective != UTILITY:
        logger.warning(
            "the utility scores do not record their objective: an earlier version or another program wrote the file; "
            "check that they were made with objective utility."
        )


def _same_numbers(scores: Scores, utility: Scores) -> bool:
    """True where every score is the same in both, in every process that holds a shard."""
    here = all(torch.equal(entries, utility.entries[name]) for name, entries in scores.entries.items())
    return all(gathered(here))


SELECTORS.register("safety_only")(Selector(select_safety_only, SetDifferenceOptions, needs_utility=True))
