"""Over-refusal = share of harmless (or borderline) prompts that were refused, by rules or a judge. Large is bad."""

from collections.abc import Sequence
from typing import Literal

from holdfast.evaluate.measure import Judge, Measure
from holdfast.prompts.records import Prompt
from holdfast.values import Outcome


def over_refusal(judge: Judge, name: Literal["over_refusal", "borderline"] = "over_refusal") -> Measure:
    """The measure `over_refusal`, or `borderline` for prompts that are safe but look unsafe."""

    def outcomes(prompts: Sequence[Prompt], responses: Sequence[str]) -> list[Outcome]:
        return judge.judge([prompt.prompt for prompt in prompts], responses)

    return Measure(name, outcomes)
