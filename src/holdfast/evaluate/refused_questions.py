"""Refused questions = share of questions whose response refuses, by the refusal rules   (in [0, 1], larger is worse)

Utility hides refusals where it is near 0, because a refusal and an answer in other words are both wrong. The rules read
these responses even where another judge reads refusals, so that they cost no further requests to an endpoint. A correct
answer is no refusal. A degenerate or unscored answer keeps its outcome.
"""

from collections.abc import Sequence
from dataclasses import replace

from holdfast.evaluate.counted import REFUSED_QUESTIONS
from holdfast.evaluate.measure import share
from holdfast.judge.refusal import RefusalJudge
from holdfast.outcomes import Answer, Outcome, Rate
from holdfast.thoughts import without_thoughts


def read_refusals(answers: Sequence[Answer]) -> list[Answer]:
    """Adds a refusal outcome to every answer to a question."""
    wrong = [answer for answer in answers if answer.outcome.verdict == "wrong"]
    texts = [without_thoughts(answer.response) for answer in wrong]
    judged = iter(RefusalJudge().judge([answer.prompt for answer in wrong], texts) if wrong else [])
    return [replace(answer, refusal=_known(answer) or next(judged)) for answer in answers]


def _known(answer: Answer) -> Outcome | None:
    """Refusal outcome that follows from an answer's verdict alone. None for a wrong answer, which the rules read."""
    if answer.outcome.verdict == "correct":
        return Outcome("complied")
    return None if answer.outcome.verdict == "wrong" else answer.outcome


def refused_questions(answers: Sequence[Answer]) -> dict[str, Rate]:
    """Share of the questions that were refused, by its name. Empty where there were no questions."""
    read = [replace(answer, outcome=answer.refusal) for answer in answers if answer.refusal]
    return {REFUSED_QUESTIONS: share(read, "refused")} if read else {}
