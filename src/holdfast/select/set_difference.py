"""safety_only(S, U) = the first k entries down the ranking by S that are not in top(U, q)   (safety minus utility)

S scores safety, U utility, q = utility_fraction, k = fraction, both of the scored entries. Wei et al. 2024,
arXiv 2402.05162, subtract two top sets, and what is left varies in size. We walk on down the safety ranking until there
are exactly k entries, so that a safety-only mask is compared with a plain one at the same budget. Layers and components
say where the k entries may lie; top(U, q) is of the whole model all the same.
"""

from dataclasses import replace

from pydantic import Field

from holdfast.select.ranking import count_selected, select_extreme
from holdfast.select.registry import SELECTORS, Selector
from holdfast.select.top import TopOptions, select_top
from holdfast.select.universe import FractionOptions, part_of, refuse_other_universe
from holdfast.values import Mask, Scores


class SetDifferenceOptions(FractionOptions):
    """Select the entries that matter to safety and not to utility."""

    utility_fraction: float = Field(default=0.05, gt=0, lt=1)
    """Share of the scored entries that count as utility-critical and that safety_only passes over, in (0, 1)."""


def select_set_difference(
    scores: Scores, utility: Scores, options: SetDifferenceOptions = SetDifferenceOptions()
) -> Mask:
    """The highest-scored fraction by safety among the entries outside the utility-critical set.

    Raises:
        ValueError: the two scores are of different models or sites, or the utility-critical set leaves too few entries.
    """
    refuse_other_universe("utility", utility, scores)
    utility_critical = select_top(utility, TopOptions(fraction=options.utility_fraction))
    num_selected = count_selected(options.fraction, scores.num_entries)
    made_by = {
        "selector": "safety_only",
        **options.model_dump(),
        "scores": dict(scores.made_by),
        "utility": dict(utility.made_by),
    }
    part = part_of(scores, options)
    mask = select_extreme(part, num_selected, largest=True, made_by=made_by, exclude=utility_critical)
    return replace(mask, shapes=scores.shapes)


SELECTORS.register("safety_only")(Selector(select_set_difference, SetDifferenceOptions, needs_utility=True))
