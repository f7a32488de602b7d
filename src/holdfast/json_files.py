"""Text and JSON files, written whole or not at all. The error about a broken file says how to repair it."""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TypeAlias, TypeVar

from pydantic import TypeAdapter, ValidationError

from holdfast.file_kinds import identify_record
from holdfast.remedy import remedy
from holdfast.wrong_files import refuse_other, require_kind

JsonValue: TypeAlias = "bool | int | float | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"
"""Content of a JSON file."""
JsonObject: TypeAlias = dict[str, JsonValue]
Record = TypeVar("Record")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"(?P<is_key>\s*:)?|[{}\[\]]', re.DOTALL)
"""Matches a bracket or a string, with the colon that makes the string a key."""


class DuplicateKeyError(ValueError):
    """A JSON object has one key twice, so that parsing would silently drop one of the two values."""

    def __init__(self, key: str, line: int) -> None:
        super().__init__(f"line {line} has the key {key!r} a second time; keep one of the two")
        self.key, self.line = key, line


def save_text(path: Path, text: str) -> None:
    """Writes a text file, whole or not at all. An error names the given path, and not the unfinished file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_of(path)
    try:
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, path)
    except OSError as error:
        error.filename, error.filename2 = str(path), None
        raise


def partial_of(path: Path) -> Path:
    """Returns the file that takes the name of a path once it is complete."""
    return path.with_name(f"{path.name}.partial")


def save_json(path: Path, content: object) -> None:
    """Writes JSON with sorted keys, whole or not at all. A number that is not finite is a bug of ours and fails."""
    save_text(path, json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n")


def parse_json(text: str) -> JsonValue:
    """Parses JSON as `json.loads` does, and raises an error for an object with a repeated key.

    Raises:
        DuplicateKeyError: an object has a key twice.
        ValueError, RecursionError: the text is not JSON, or is nested too deeply.
    """

    def unique(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
        unique_pairs = dict(pairs)
        if len(unique_pairs) < len(pairs):
            raise DuplicateKeyError(*_second_key(text))
        return unique_pairs

    return json.loads(text, object_pairs_hook=unique)


def record_from(kind: type[Record], content: object) -> Record:
    """Makes a record, with its inner records, from JSON. Fields that the record does not have are ignored.

    Args:
        kind: a dataclass, or a tuple or mapping of them.
        content: JSON, parsed.

    Raises:
        ValueError: a field is missing or has a value of another kind.
    """
    try:
        return _reader(kind).validate_python(content)
    except ValidationError as error:
        problem = error.errors()[0]
        place, reason = ".".join(map(str, problem["loc"])), problem["msg"]
        raise ValueError(f"{place} of the file is not as holdfast writes it: {reason}.") from error


@cache
def _reader(kind: type[Record]) -> TypeAdapter[Record]:
    return TypeAdapter(kind)


def load_json(path: Path, kind: str = "") -> dict:
    """Loads a JSON object.

    Args:
        path: the file.
        kind: what the file should be, as in `remedy`, for the advice in an error.

    Raises:
        ValueError: the file is missing, is not JSON, or holds no object.
    """
    if not path.is_file():
        require_kind(path, kind)
    try:
        content = parse_json(path.read_text(encoding="utf-8-sig"))  # some editors put a byte-order mark first
    except (OSError, ValueError, RecursionError) as error:
        if not isinstance(error, DuplicateKeyError):
            require_kind(path, kind)
        raise ValueError(f"{str(path)!r} could not be read as JSON: {error}; {remedy(path, kind)}.") from error
    if not isinstance(content, dict):
        refuse_other(path, identify_record(content), kind)
    assert isinstance(content, dict)  # refuse_other raises for everything else
    return content


def whole_lines(path: Path) -> Iterator[dict]:
    """Yields the objects of a file that has one a line, except a line that was cut off when the process stopped."""
    for line in path.read_text(encoding="utf-8").split("\n"):
        try:
            content = json.loads(line)
        except ValueError:
            continue
        yield content


def digest(content: object) -> str:
    """SHA-256 of a JSON-able value, which identifies an input of a stage."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def _second_key(text: str) -> tuple[str, int]:
    """Finds the first key that an object repeats, and the line of the repetition, in a text that has one."""
    keys: list[set[str]] = []
    for token in _TOKEN.finditer(text):
        if token[0] in "{[":
            keys.append(set())
        elif token[0] in "}]":
            keys.pop()
        elif token["is_key"]:
            key = json.loads(token[0].removesuffix(token["is_key"]))
            if key in keys[-1]:
                return key, text.count("\n", 0, token.start()) + 1
            keys[-1].add(key)
    raise AssertionError("no key is there twice")
