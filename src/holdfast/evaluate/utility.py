"""Utility = share of questions whose response is the known answer, both normalised. Large is good; in [0, 1].

Normalised: Unicode compatibility form, case folded, runs of white space to one space, no white space or full stop at
either end. Nothing else is forgiven: 'It is 12' is not '12'.
"""

import unicodedata
from collections.abc import Sequence
from typing import Literal

from holdfast.evaluate.measure import Measure
from holdfast.outcomes import Outcome
from holdfast.records import Prompt


def utility(name: Literal["utility", "task"] = "utility") -> Measure:
    """The measure `utility`, or `task` for the held-back task that a model is adapted to."""
    return Measure(name, match_answers)


def match_answers(prompts: Sequence[Prompt], responses: Sequence[str]) -> list[Outcome]:
    """`correct` or `wrong` for every question.

    Raises:
        ValueError: a question has no answer to compare with.
    """
    unanswered = [prompt.prompt for prompt in prompts if prompt.answer is None]
    if unanswered:
        raise ValueError(f"{len(unanswered)} questions have no `answer`, the first is {unanswered[0]!r}; add it.")
    return [
        Outcome("correct" if normalized(response) == normalized(prompt.answer or "") else "wrong")
        for prompt, response in zip(prompts, responses, strict=True)
    ]


def normalized(text: str) -> str:
    """The text as it is compared."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split()).strip(" .")
