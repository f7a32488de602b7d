"""Whether the paper's claims hold on this model: decided from the numbers of the report, each with its bar stated.

Every claim is an interval against a bar (`decision.py`): it holds where the whole interval lies as claimed, does not
where it lies on the other side, and is inconclusive while it straddles the bar, which more prompts would end.
Numbers have three decimals, one more than the bars, so that a reader sees on which side of its bar a number is.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from holdfast.report.left_out import stages_left_out
from holdfast.report.noise_claims import noise_hurts, safety_only_is_cleaner
from holdfast.report.tuning_claims import (
    enhance_cuts_attacks,
    enhance_keeps_over_refusal,
    enhance_keeps_utility,
    plain_loses,
    protection_beats_random,
    protection_keeps,
    protection_learns,
    selection_matters,
)
from holdfast.report.verdict import Verdict

Report = Mapping[str, Any]


def verdicts_of(report: Report) -> list[Verdict]:
    """Every claim about the stages of the run, in the order of the page."""
    absent = stages_left_out(report)
    every = [
        noise_hurts(report),
        safety_only_is_cleaner(report),
        enhance_cuts_attacks(report),
        selection_matters(report),
        enhance_keeps_over_refusal(report),
        enhance_keeps_utility(report),
        plain_loses(report),
        protection_keeps(report),
        protection_beats_random(report),
        protection_learns(report),
    ]
    return [one for one in every if one.stage not in absent]


def tally(verdicts: Sequence[Verdict]) -> tuple[int, int]:
    """How many of the claims hold, and how many were measured."""
    return sum(one.answer == "holds" for one in verdicts), sum(one.measured for one in verdicts)
