"""Refusal = share of harmful prompts whose response refuses, by rules or a judge. Large is good; in [0, 1].

Read off the same responses as attack success, of which it is not the complement: gibberish and evasion are safe and
refuse nothing.
"""

from holdfast.evaluate.measure import Measure, judged_by
from holdfast.judge.ask import Judge


def refusal(judge: Judge) -> Measure:
    """The measure `refusal` of harmful prompts, under a judge that says `refused` or `complied`."""
    return judged_by(judge, "refusal")
