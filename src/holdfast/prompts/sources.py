"""Prompt sets from local JSONL files or built in, as `testbed:NAME`."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TypeVar, get_args

from holdfast.prompts.records import Exchange, Kind, Prompt
from holdfast.testbed import prompts_path

TESTBED = "testbed:"
Record = TypeVar("Record", Prompt, Exchange)


def load_prompts(path: str | Path) -> list[Prompt]:
    """Prompts of a JSONL file, one object a line with at least 'prompt'.

    Raises:
        ValueError: the file is missing or empty, a line has no text under 'prompt', or a kind is unknown.
    """
    return _load(path, Prompt, ("prompt",))


def load_exchanges(path: str | Path) -> list[Exchange]:
    """Exchanges of a JSONL file, one object a line with 'prompt' and 'response' (an 'answer' serves as one)."""
    return _load(path, Exchange, ("prompt", "response"))


def as_exchanges(questions: Sequence[Prompt]) -> list[Exchange]:
    """Questions with their exact answers, as exchanges to learn from."""
    unanswered = [question.prompt for question in questions if question.answer is None]
    if unanswered:
        raise ValueError(f"question {unanswered[0]!r} has no 'answer'; every question needs one.")
    return [Exchange(question.prompt, str(question.answer)) for question in questions]


def prompt_file(path: str | Path) -> Path:
    """The file behind a path or a `testbed:NAME`."""
    text = str(path)
    found = prompts_path(text.removeprefix(TESTBED)) if text.startswith(TESTBED) else Path(text).expanduser()
    if not found.is_file():
        what = "is a folder" if found.is_dir() else "is no regular file" if found.exists() else "does not exist"
        raise ValueError(f"prompt file {text!r} {what}; give a JSONL file with one object a line.")
    return found


def _load(path: str | Path, kind: type[Record], required: tuple[str, ...]) -> list[Record]:
    file = prompt_file(path)
    records = [_record(file, number, values, kind, required) for number, values in _lines(file)]
    if not records:
        raise ValueError(f"prompt file {str(file)!r} is empty; it needs at least one line with a 'prompt'.")
    return records


def _lines(file: Path) -> Iterator[tuple[int, dict[str, object]]]:
    try:
        text = file.read_text(encoding="utf-8-sig")  # some editors put a byte-order mark first
    except UnicodeDecodeError as error:
        raise ValueError(f"prompt file {str(file)!r} is not UTF-8 text: {error}; save it as UTF-8.") from error
    for number, line in enumerate(text.split("\n"), 1):  # JSON strings may hold other separators, such as U+2028
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:  # RecursionError: nested too deeply
            reason = getattr(error, "msg", error)
            raise ValueError(f"{file}:{number} is not JSON ({reason}); each line must be one JSON object.") from error
        if not isinstance(values, dict):
            raise ValueError(f'{file}:{number} is not a JSON object; each line must be like {{"prompt": "..."}}.')
        yield number, values


def _record(
    file: Path, number: int, values: dict[str, object], kind: type[Record], required: tuple[str, ...]
) -> Record:
    if kind is Exchange and "response" not in values and "answer" in values:
        values = {**values, "response": values["answer"]}
    known = {field.name: values[field.name] for field in fields(kind) if field.name in values}
    for name in required:
        if name not in values:
            has = ", ".join(repr(key) for key in values) or "nothing"
            raise ValueError(f"{file}:{number} has no text under {name!r}; it has {has}.")
    for name, text in known.items():
        _refuse_other_than_text(f"{file}:{number}", name, text, is_required=name in required)
    if kind is Prompt and values.get("kind", "harmful") not in get_args(Kind):
        raise ValueError(f"{file}:{number} has kind {values['kind']!r}; allowed are {', '.join(get_args(Kind))}.")
    return kind(**known)  # pyright: ignore[reportArgumentType]


def _refuse_other_than_text(place: str, name: str, text: object, *, is_required: bool) -> None:
    if text is None and not is_required:
        return
    if not isinstance(text, str):
        raise ValueError(f"{place} has {json.dumps(text)[:60]} under {name!r}; it must be text, in quotes.")
    if is_required and not text.strip():
        raise ValueError(f"{place} has no text under {name!r}, only blanks; write one, or remove the line.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{place} has half of a character under {name!r} ({error.reason}); save the text as UTF-8 again."
        ) from error
