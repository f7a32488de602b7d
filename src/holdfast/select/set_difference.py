"""safety_only(S, U) = the first k entries down the ranking by S that are not in top(U, q)   (safety minus utility)

S scores safety, U utility, q = utility_fraction, k = fraction, both of the scored entries. Wei et al. 2024,
arXiv 2402.05162, subtract two top sets, and what is left varies in size. We walk on down the safety ranking until there
are exactly k entries, so that a safety-only mask is compared with a plain one at the same budget.
"""

from pydantic import Field

from holdfast.config import Options
from holdfast.select.ranking import count_selected, select_extreme
from holdfast.select.registry import SELECTORS
from holdfast.select.top import TopOptions, select_top
from holdfast.values import Mask, Scores


class SetDifferenceOptions(Options):
    """Select the entries that matter to safety and not to utility."""

    fraction: float = Field(default=0.01, gt=0, lt=1)
    """Share of the scored entries to select, in (0, 1)."""
    utility_fraction: float = Field(default=0.05, gt=0, lt=1)
    """Share of the scored entries that count as utility-critical and are passed over, in (0, 1)."""


@SELECTORS.register("set_difference")
def select_set_difference(
    scores: Scores, utility: Scores, options: SetDifferenceOptions = SetDifferenceOptions()
) -> Mask:
    """The highest-scored fraction by safety among the entries outside the utility-critical set.

    Raises:
        ValueError: the two scores are of different models or sites, or the utility-critical set leaves too few entries.
    """
    if scores.shapes != utility.shapes or scores.base != utility.base:
        raise ValueError("safety and utility scores are of different models or sites; score both on one model.")
    utility_critical = select_top(utility, TopOptions(fraction=options.utility_fraction))
    num_selected = count_selected(options.fraction, scores.num_entries)
    made_by = {
        "selector": "set_difference",
        **options.model_dump(),
        "scores": dict(scores.made_by),
        "utility": dict(utility.made_by),
    }
    return select_extreme(scores, num_selected, largest=True, made_by=made_by, exclude=utility_critical)
