"""Utility = share of questions whose response is the known answer, both normalised   (in [0, 1], larger is better)

Normalisation takes the Unicode compatibility form, folds case, makes one space of every run of white space, and drops
white space and full stops at both ends. Any other difference makes an answer wrong: 'It is 12' is not '12'.
"""

import unicodedata
from collections.abc import Sequence
from typing import Literal

from holdfast.counts import counted
from holdfast.evaluate.measure import Measure
from holdfast.outcomes import Outcome
from holdfast.records import Prompt


def utility(name: Literal["utility", "task"] = "utility") -> Measure:
    """Makes the measure `utility`, or `task` for held-back examples of the task that a model is adapted to."""
    return Measure(name, match_answers)


def match_answers(prompts: Sequence[Prompt], responses: Sequence[str]) -> list[Outcome]:
    """Gives the verdict `correct` or `wrong` to every response.

    Raises:
        ValueError: a question has no known answer.
    """
    unanswered = [prompt.prompt for prompt in prompts if prompt.answer is None]
    if unanswered:
        raise ValueError(
            f"{counted(len(unanswered), 'question has', 'questions have')} no `answer`, the first is "
            f"{unanswered[0]!r}; add it."
        )
    return [
        Outcome("correct" if normalized(response) == normalized(prompt.answer or "") else "wrong")
        for prompt, response in zip(prompts, responses, strict=True)
    ]


def normalized(text: str) -> str:
    """Normalises a text for comparison."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split()).strip(" .")
