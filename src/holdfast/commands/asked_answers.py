"""Finds the answers of an evaluation by their row, or by a part of their prompt, for `holdfast show --prompt`."""

from collections.abc import Sequence
from pathlib import Path

from holdfast.outcomes import Answer, Evaluation, Outcome
from holdfast.printable import printable

MOST = 20
"""Largest number of answers that one command prints."""


def find_answers(path: Path, evaluation: Evaluation, wanted: str) -> list[tuple[int, Answer]]:
    """Returns the answers whose prompt contains the text, with their rows counted from 1.

    Upper and lower case are equal. A text of digits alone is the number of a row.

    Raises:
        ValueError: no answer matches, or more match than can be printed.
    """
    rows = list(enumerate(evaluation.answers, start=1))
    if not wanted.strip():
        raise ValueError("--prompt is empty; give a part of a prompt, or the number of a row.")
    if wanted.isdecimal():
        matches = [(row, answer) for row, answer in rows if row == int(wanted)]
        missing = f"no row {wanted}; give one from 1 to {len(rows)}"
    else:
        sought = " ".join(wanted.casefold().split())
        matches = [(row, answer) for row, answer in rows if sought in " ".join(answer.prompt.casefold().split())]
        missing = f"no prompt with {wanted!r}; give a part of one as it stands there, or a row from 1 to {len(rows)}"
    if not matches:
        raise ValueError(printable(f"evaluation {str(path)!r} has {missing}."))
    if len(matches) > MOST:
        raise ValueError(
            printable(
                f"{len(matches)} prompts of {str(path)!r} hold {wanted!r}, in "
                f"rows {', '.join(str(row) for row, _ in matches[:5])} and others; give more of the text, or a row."
            )
        )
    return matches


def answer_rows(row: int, answer: Answer) -> list[tuple[str, str]]:
    """Lists all that the evaluation keeps of an answer, as rows of name and full text."""
    facts = {
        "row": str(row),
        "measure": answer.measure,
        "group": answer.group,
        "sample": str(answer.sample) if answer.sample else None,
        "verdict": _words(answer.outcome),
        "refusal": _words(answer.refusal),
        "coherence": _words(answer.coherence),
        "tokens": None if answer.tokens is None else str(answer.tokens),
        "prompt": answer.prompt,
        "response": answer.response,
    }
    return [(name, text) for name, text in facts.items() if text is not None]


def answers_json(matches: Sequence[tuple[int, Answer]]) -> list[dict[str, object]]:
    """Returns the answers as JSON objects with the names of `answer_rows` as keys."""
    return [{**dict(answer_rows(row, answer)), "row": row} for row, answer in matches]


def _words(outcome: Outcome | None) -> str | None:
    """Formats a verdict: 'unsafe', 'unsafe (0.93)' with the judge's score, or 'unscored: REASON'."""
    if outcome is None:
        return None
    if outcome.verdict is None:
        return f"unscored: {outcome.reason}"
    return outcome.verdict if outcome.score is None else f"{outcome.verdict} ({outcome.score:.3g})"
