"""Decides from the numbers of a report whether the paper's claims hold on this model.

Every claim compares an interval with a bar (`decision.py`). It holds if the whole interval is on the claimed side. It
does not hold if the whole interval is on the other side. It is inconclusive while the interval includes the bar, which
more prompts or draws of noise would change, and where answers without a verdict could overturn it (`worst_case.py`).
Numbers have three decimals, one more than the bars, to show the side on which they are.
"""

from collections.abc import Sequence

from holdfast.report.noise_claims import noise_hurts, safety_only_is_cleaner
from holdfast.report.records import Report
from holdfast.report.tuning_claims import (
    enhance_cuts_attacks,
    enhance_keeps_over_refusal,
    enhance_keeps_perplexity,
    enhance_keeps_utility,
    plain_loses,
    protection_beats_random,
    protection_keeps,
    protection_keeps_over_refusal,
    protection_learns,
    selection_matters,
)
from holdfast.report.verdict import Verdict


def verdicts_of(report: Report) -> list[Verdict]:
    """Decides every claim about the stages of the run, in the order of the page."""
    every = [
        noise_hurts(report),
        safety_only_is_cleaner(report),
        enhance_cuts_attacks(report),
        selection_matters(report),
        enhance_keeps_over_refusal(report),
        enhance_keeps_utility(report),
        enhance_keeps_perplexity(report),
        plain_loses(report),
        protection_keeps(report),
        protection_beats_random(report),
        protection_keeps_over_refusal(report),
        protection_learns(report),
    ]
    return [verdict for verdict in every if verdict.stage not in report.config.stages_left_out]


def tally(verdicts: Sequence[Verdict]) -> tuple[int, int]:
    """Counts the claims that hold, and those that were measured."""
    return sum(verdict.answer == "holds" for verdict in verdicts), sum(verdict.measured for verdict in verdicts)
