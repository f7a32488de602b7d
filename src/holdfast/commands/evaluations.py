"""Prints the file of an evaluation as tables, for `holdfast show`."""

from collections.abc import Mapping
from pathlib import Path

from holdfast.artifacts import load_evaluation
from holdfast.commands.asked_answers import answer_rows, answers_json, find_answers
from holdfast.commands.console import Json, show, table, warn
from holdfast.commands.evaluate import evaluation_rows
from holdfast.evaluate.consistent import require_consistent
from holdfast.evaluate.other_forms import form_line
from holdfast.judge.options import REFUSAL_RULES
from holdfast.made_by import model_fingerprint, model_name, shown
from holdfast.outcomes import Answer, Evaluation
from holdfast.report.schema import suite_json

EXAMPLES = 6
LONGEST = 200
"""Characters of a prompt or a response that an example shows."""


def show_evaluation(path: Path, json: Json, prompt: str | None = None) -> None:
    """Prints the rates with their intervals, how the evaluation was made, and an answer of each measure and verdict.

    Args:
        path: the file.
        json: whether to print one JSON object.
        prompt: a part of a prompt, or the number of a row. If given, prints only the answers to that prompt, in full.
    """
    evaluation = load_evaluation(path)
    if prompt is not None:
        _show_answers(path, evaluation, prompt, json)
        return
    try:
        require_consistent(evaluation, repr(str(path)))
    except ValueError as contradiction:  # shown all the same, since somebody may be looking for the reason
        warn(str(contradiction))
    about = {"file": str(path), "kind": "evaluation", "made_by": shown(evaluation.made_by)}
    result = {**about, **suite_json(evaluation), "num_answers": len(evaluation.answers)}
    rates = table(
        f"Evaluation of {model_name(evaluation.made_by) or path}", ("measure", "value"), evaluation_rows(evaluation)
    )
    tables = [rates, table("How it was made", ("what", "value"), _origin(path, evaluation))]
    if answers := _examples(evaluation):
        rows = [
            (answer.measure, _verdict(answer), _clipped(answer.prompt), _clipped(answer.response)) for answer in answers
        ]
        tables.append(table("One answer of each kind", ("measure", "verdict", "prompt", "response"), rows))
    show(result, tables, json)


def _show_answers(path: Path, evaluation: Evaluation, prompt: str, json: bool) -> None:
    matches = find_answers(path, evaluation, prompt)
    tables = [table(f"Row {row} of {path}", ("what", "value"), answer_rows(row, answer)) for row, answer in matches]
    show({"file": str(path), "kind": "evaluation", "answers": answers_json(matches)}, tables, json)


def _origin(path: Path, evaluation: Evaluation) -> list[tuple[str, str]]:
    made_by = evaluation.made_by
    generation = made_by.get("generation")
    settings = generation if isinstance(generation, Mapping) else {}
    fingerprint = model_fingerprint(made_by)
    rows = {
        "file": path,
        "model": fingerprint and f"{model_name(made_by)} (fingerprint {fingerprint})",
        "form of the model": form_line(made_by),
        "judge": _name(made_by, "judge")
        or ("the file does not say" if not made_by else f"{REFUSAL_RULES}, the refusal rules"),
        "generation": ", ".join(f"{name} {value}" for name, value in settings.items()),
        "system prompt that the chat template adds": made_by.get("system_prompt"),
        "answers": f"{len(evaluation.answers):,}",
        "holdfast": made_by.get("holdfast"),
    }
    return [(name, str(value)) for name, value in rows.items() if value]


def _name(made_by: Mapping[str, object], entry: str) -> str | None:
    record = made_by.get(entry)
    return str(record["name"]) if isinstance(record, Mapping) and "name" in record else None


def _examples(evaluation: Evaluation) -> list[Answer]:
    """Picks the first answer of each measure and verdict, up to a limit."""
    kinds: dict[tuple[str, str], Answer] = {}
    for answer in evaluation.answers:
        kinds.setdefault((answer.measure, _verdict(answer)), answer)
    return list(kinds.values())[:EXAMPLES]


def _verdict(answer: Answer) -> str:
    refusal = answer.refusal.verdict if answer.refusal else None
    return ", ".join(dict.fromkeys(filter(None, (answer.outcome.verdict or "unscored", refusal))))


def _clipped(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"
