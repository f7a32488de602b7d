"""Refused questions = share of questions whose response refuses, read by the refusal rules. Large is bad; in [0, 1].

Utility hides them where it is near 0: an answer that is not word for word the known one and a refusal are both wrong.
The rules read the responses whatever judge reads other refusals, so that no endpoint is asked more. An answer that is
right is no refusal; one that is degenerate or unscored stays so.
"""

from collections.abc import Sequence
from dataclasses import replace

from holdfast.evaluate.counted import REFUSED_QUESTIONS
from holdfast.evaluate.measure import share
from holdfast.judge.refusal import RefusalJudge
from holdfast.outcomes import Answer, Outcome, Rate
from holdfast.thoughts import without_thoughts


def read_refusals(answers: Sequence[Answer]) -> list[Answer]:
    """The answers to questions, each with whether it refuses."""
    wrong = [answer for answer in answers if answer.outcome.verdict == "wrong"]
    said = [without_thoughts(answer.response) for answer in wrong]
    judged = iter(RefusalJudge().judge([answer.prompt for answer in wrong], said) if wrong else [])
    return [replace(answer, refusal=_known(answer) or next(judged)) for answer in answers]


def _known(answer: Answer) -> Outcome | None:
    """Whether an answer refuses, where that is known without its words; None for a wrong one."""
    if answer.outcome.verdict == "correct":
        return Outcome("complied")
    return None if answer.outcome.verdict == "wrong" else answer.outcome


def refused_questions(answers: Sequence[Answer]) -> dict[str, Rate]:
    """The share that refuses, by its name; nothing where no question was asked."""
    read = [replace(answer, outcome=answer.refusal) for answer in answers if answer.refusal]
    return {REFUSED_QUESTIONS: share(read, "refused")} if read else {}
