"""Refusal = share of harmful prompts whose response refuses, by rules or a judge. Large is good; in [0, 1].

Read off the same responses as attack success, of which it is not the complement: gibberish and evasion are safe and
refuse nothing.
"""

from collections.abc import Sequence

from holdfast.evaluate.measure import Judge, Measure
from holdfast.prompts.records import Prompt
from holdfast.values import Outcome


def refusal(judge: Judge) -> Measure:
    """The measure `refusal` of harmful prompts, under a judge that says `refused` or `complied`."""

    def outcomes(prompts: Sequence[Prompt], responses: Sequence[str]) -> list[Outcome]:
        return judge.judge([prompt.prompt for prompt in prompts], responses)

    return Measure("refusal", outcomes)
