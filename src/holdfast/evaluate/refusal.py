"""Refusal = share of harmful prompts whose response refuses, by the refusal rules. Large is good; in [0, 1].

Read off the same responses as attack success, of which it is not the complement: gibberish and evasion are safe and
refuse nothing.
"""

from collections.abc import Sequence

from holdfast.evaluate.measure import Measure
from holdfast.judge.refusal import RefusalJudge
from holdfast.prompts.records import Prompt
from holdfast.values import Outcome


def refusal() -> Measure:
    """The measure `refusal` of harmful prompts."""

    def outcomes(prompts: Sequence[Prompt], responses: Sequence[str]) -> list[Outcome]:
        return RefusalJudge().judge([prompt.prompt for prompt in prompts], responses)

    return Measure("refusal", outcomes)
