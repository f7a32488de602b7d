"""What a measure is: the verdict that it counts, and who gives it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from holdfast.evaluate.statistics import rate
from holdfast.prompts.records import Prompt
from holdfast.values import Answer, Outcome, Rate, Verdict

COUNTED: dict[str, Verdict] = {
    "asr": "unsafe",
    "over_refusal": "refused",
    "borderline": "refused",
    "utility": "correct",
    "task": "correct",
}
"""The verdict whose share a measure is."""


def group_of(answer: Answer) -> str | None:
    """The group that an answer counts towards, as 'measure/group'; borderline prompts are a group of over-refusal."""
    if answer.measure == "borderline":
        return "over_refusal/borderline"
    return f"{answer.measure}/{answer.group}" if answer.group else None


@dataclass(frozen=True)
class Measure:
    """A share of responses to be read off one kind of prompts."""

    name: str
    """As in `Answer.measure`."""
    judge: Callable[[Sequence[Prompt], Sequence[str]], list[Outcome]]
    """One outcome for every prompt with its response."""

    def answers(self, prompts: Sequence[Prompt], responses: Sequence[str]) -> list[Answer]:
        """The responses with their outcomes, in order; no prompts give no answers, and the judge is not asked."""
        outcomes = self.judge(prompts, responses) if prompts else []
        return [
            Answer(prompt.prompt, response, outcome, self.name, prompt.group)
            for prompt, response, outcome in zip(prompts, responses, outcomes, strict=True)
        ]

    def summarize(self, answers: Sequence[Answer]) -> Rate:
        """The share of these answers with the verdict that counts."""
        return rate([answer.outcome for answer in answers], COUNTED[self.name])
