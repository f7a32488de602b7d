"""Refusal = share of harmful prompts whose response refuses, by rules or a judge   (in [0, 1], larger is better)

It uses the same responses as the attack success rate, but is not its complement. Gibberish and evasive responses are
safe without a refusal.
"""

from holdfast.evaluate.measure import Measure, judged_by
from holdfast.judge.ask import Judge


def refusal(judge: Judge) -> Measure:
    """Makes the measure `refusal` of harmful prompts, for a judge of `refused` and `complied`."""
    return judged_by(judge, "refusal")
