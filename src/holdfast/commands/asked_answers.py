"""The answers to one prompt of an evaluation, asked for by its row or by a part of its text."""

from collections.abc import Sequence
from pathlib import Path

from holdfast.outcomes import Answer, Evaluation, Outcome
from holdfast.printable import printable

MOST = 20
"""Answers that are shown at once."""


def find_answers(path: Path, evaluation: Evaluation, asked: str) -> list[tuple[int, Answer]]:
    """Answers with their rows, counted from 1, whose prompt holds the text, in any case; a number is a row.

    Raises:
        ValueError: there is no such answer, or there are too many to be read.
    """
    rows = list(enumerate(evaluation.answers, start=1))
    if not asked.strip():
        raise ValueError("--prompt is empty; give a part of a prompt, or the number of a row.")
    if asked.isdecimal():
        found = [(row, answer) for row, answer in rows if row == int(asked)]
        missing = f"no row {asked}; give one from 1 to {len(rows)}"
    else:
        sought = " ".join(asked.casefold().split())
        found = [(row, answer) for row, answer in rows if sought in " ".join(answer.prompt.casefold().split())]
        missing = f"no prompt with {asked!r}; give a part of one as it stands there, or a row from 1 to {len(rows)}"
    if not found:
        raise ValueError(printable(f"evaluation {str(path)!r} has {missing}."))
    if len(found) > MOST:
        raise ValueError(
            printable(
                f"{len(found)} prompts of {str(path)!r} hold {asked!r}, in rows "
                f"{', '.join(str(row) for row, _ in found[:5])} and others; give more of the text, or one of the rows."
            )
        )
    return found


def answer_rows(row: int, answer: Answer) -> list[tuple[str, str]]:
    """What is known of an answer, whole."""
    facts = {
        "row": str(row),
        "measure": answer.measure,
        "group": answer.group,
        "sample": str(answer.sample) if answer.sample else None,
        "verdict": _words(answer.outcome),
        "refusal": _words(answer.refusal),
        "coherence": _words(answer.coherence),
        "prompt": answer.prompt,
        "response": answer.response,
    }
    return [(name, text) for name, text in facts.items() if text is not None]


def answers_json(found: Sequence[tuple[int, Answer]]) -> list[dict[str, object]]:
    """The same as JSON, every fact under its name."""
    return [{**dict(answer_rows(row, answer)), "row": row} for row, answer in found]


def _words(outcome: Outcome | None) -> str | None:
    """'unsafe', with the judge's reason or number where there is one."""
    if outcome is None:
        return None
    if outcome.verdict is None:
        return f"unscored: {outcome.reason}"
    return outcome.verdict if outcome.score is None else f"{outcome.verdict} ({outcome.score:.3g})"
