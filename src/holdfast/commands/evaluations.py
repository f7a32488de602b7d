"""Prints the file of an evaluation as tables, for `holdfast show`."""

from collections.abc import Sequence
from pathlib import Path

from holdfast.artifacts import load_evaluation, save_text
from holdfast.commands.asked_answers import answer_rows, answers_json, find_answers
from holdfast.commands.console import Json, show, table, warn
from holdfast.commands.evaluate import evaluation_rows
from holdfast.commands.pages import written, written_note
from holdfast.made_by import model_name, shown
from holdfast.outcomes import Answer, Evaluation
from holdfast.pipeline.evaluation_about import contradiction, origin_rows
from holdfast.pipeline.outputs import written_whole
from holdfast.report.schema import suite_json
from holdfast.spelling import clipped

EXAMPLES = 6
LONGEST = 200
"""Characters of a prompt or a response that an example shows."""


def show_evaluation(path: Path, json: Json, prompt: str | None = None, out: Path | None = None) -> None:
    """Prints the rates with their intervals, how the evaluation was made, and an answer of each measure and verdict.

    Args:
        path: the file.
        json: whether to print one JSON object.
        prompt: a part of a prompt, or the number of a row. If given, prints only the answers to that prompt, in full.
        out: file for a page, which holds no answers but those to that prompt.
    """
    evaluation = load_evaluation(path)
    matches = [] if prompt is None else find_answers(path, evaluation, prompt)
    if out is not None:
        _save_page(out, path, evaluation, matches)
    if prompt is not None:
        _show_answers(path, matches, out, json)
        return
    if sentence := contradiction(evaluation, str(path)):
        warn(sentence)  # shown all the same, since somebody may be looking for the reason
    about = {"file": str(path), "kind": "evaluation", "made_by": shown(evaluation.made_by)}
    result = {**about, **suite_json(evaluation), "num_answers": len(evaluation.answers)}
    rates = table(
        f"Evaluation of {model_name(evaluation.made_by) or path}", ("measure", "value"), evaluation_rows(evaluation)
    )
    tables = [rates, table("How it was made", ("what", "value"), origin_rows(evaluation, str(path)))]
    if answers := _examples(evaluation):
        rows = [
            (answer.measure, _verdict(answer), clipped(answer.prompt, LONGEST), clipped(answer.response, LONGEST))
            for answer in answers
        ]
        tables.append(table("One answer of each kind", ("measure", "verdict", "prompt", "response"), rows))
    show(result | written(out), tables, json, note=written_note(out))


def _save_page(out: Path, path: Path, evaluation: Evaluation, matches: Sequence[tuple[int, Answer]]) -> None:
    from holdfast.pipeline.file_pages import evaluation_page

    answers = tuple((f"Row {row}", answer_rows(row, answer)) for row, answer in matches)
    with written_whole(out) as partial:
        save_text(partial, evaluation_page(evaluation, str(path), answers))


def _show_answers(path: Path, matches: Sequence[tuple[int, Answer]], out: Path | None, json: bool) -> None:
    tables = [table(f"Row {row} of {path}", ("what", "value"), answer_rows(row, answer)) for row, answer in matches]
    result = {"file": str(path), "kind": "evaluation", "answers": answers_json(matches)}
    show(result | written(out), tables, json, note=written_note(out))


def _examples(evaluation: Evaluation) -> list[Answer]:
    """Picks the first answer of each measure and verdict, up to a limit."""
    kinds: dict[tuple[str, str], Answer] = {}
    for answer in evaluation.answers:
        kinds.setdefault((answer.measure, _verdict(answer)), answer)
    return list(kinds.values())[:EXAMPLES]


def _verdict(answer: Answer) -> str:
    refusal = answer.refusal.verdict if answer.refusal else None
    return ", ".join(dict.fromkeys(filter(None, (answer.outcome.verdict or "unscored", refusal))))
