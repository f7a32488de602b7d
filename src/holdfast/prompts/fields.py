"""Reads the fields of a row: prompt, response, answer, group."""

import ast
from collections.abc import Mapping

from holdfast.prompts.conversations import is_conversation, read_conversation
from holdfast.prompts.layouts import Layout, folded

SYSTEM = ("system", "system_prompt", "history")
"""Names of columns that hold turns before the prompt."""


def read_fields(layout: Layout, values: Mapping[str, object], place: str) -> dict[str, object]:
    """Returns the fields that a layout reads from a row.

    Raises:
        ValueError: a column is missing, or a number in the column of answers names no answer.
    """
    fields = {name: _column(values, column, place) for name, column in layout.columns.items()}
    if layout.template is not None:
        filled = {name: "" if text is None else text for name, text in values.items()}
        fields["prompt"] = layout.template.format_map(filled).rstrip("\n")  # the last part may be blank
    if layout.labels:
        fields["answer"] = layout.labels[int(str(fields["answer"]))]
    if layout.choices is not None:
        fields["answer"] = _choice(values[layout.choices], fields["answer"], place)
    return fields


def unfold_conversation(fields: Mapping[str, object], place: str) -> dict[str, object]:
    """Returns the fields of a row, with texts in place of a prompt or a response that is a list of turns.

    Raises:
        ValueError: the conversation is not one user turn, with or without an answer.
    """
    prompt, response = fields.get("prompt"), fields.get("response")
    if not is_conversation(prompt) and not is_conversation(response):
        return dict(fields)
    turns = [*_turns(prompt, "user"), *_turns(response, "assistant")]
    user_text, answer = read_conversation(turns, place)
    texts = {"prompt": user_text} if answer is None else {"prompt": user_text, "response": answer, "answer": answer}
    return {**fields, **texts}


def unread_turns(values: Mapping[str, object]) -> str | None:
    """Returns the column of a row that holds turns before the prompt, if one is filled in."""
    return next((name for name, held in values.items() if folded(name) in SYSTEM and held), None)


def _turns(value: object, speaker: str) -> list[dict[str, object]]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [{"role": speaker, "content": value}]


def _column(values: Mapping[str, object], column: str, place: str) -> object:
    """Returns the value of a chosen column.

    A list of one text counts as that text, since some sets list a user's turns.
    """
    if column not in values:
        has = ", ".join(repr(key) for key in values) or "nothing"
        raise ValueError(f"{place} has no column {column!r}; it has {has}.")
    held = values[column]
    return held[0] if isinstance(held, list) and len(held) == 1 and not is_conversation(held) else held


def _choice(listed: object, number: object, place: str) -> str:
    """Returns the choice that a number names, counted from 0. Tables hold the list of choices as Python writes it."""
    try:
        choices = ast.literal_eval(listed) if isinstance(listed, str) else listed
        return str(list(choices)[int(str(number))]).strip()  # pyright: ignore[reportArgumentType]
    except (ValueError, SyntaxError, TypeError, IndexError) as error:
        raise ValueError(
            f"{place} has the answer {number!r} of the choices {str(listed)[:60]!r}; it must be the number of one of "
            "them, counted from 0."
        ) from error
