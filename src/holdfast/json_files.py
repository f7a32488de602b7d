"""Text and JSON in files, written whole or not at all, and read with a sentence on what mends a broken one."""

import hashlib
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from holdfast.file_kinds import identify_record
from holdfast.remedy import remedy
from holdfast.wrong_files import refuse_other, require_kind

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"(?P<is_key>\s*:)?|[{}\[\]]', re.DOTALL)
"""A bracket, or a string with what says that it is a key."""


class DuplicateKeyError(ValueError):
    """A JSON object has one key twice, so that one of the two values would be lost without a word."""

    def __init__(self, key: str, line: int) -> None:
        super().__init__(f"line {line} has the key {key!r} a second time; keep one of the two")
        self.key, self.line = key, line


def save_text(path: Path, text: str) -> None:
    """Writes a text file; it appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


def save_json(path: Path, content: object) -> None:
    """Writes JSON with sorted keys, whole or not at all; a number that is not finite is our own bug."""
    save_text(path, json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n")


def parse_json(text: str) -> Any:
    """Parses JSON as `json.loads` does, but refuses a key that an object has twice.

    Raises:
        DuplicateKeyError: an object has a key twice.
        ValueError, RecursionError: the text is not JSON, or is nested too deeply.
    """

    def unique(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
        made = dict(pairs)
        if len(made) < len(pairs):
            raise DuplicateKeyError(*_second_key(text))
        return made

    return json.loads(text, object_pairs_hook=unique)


def load_json(path: Path, kind: str = "") -> dict:
    """A JSON object; ValueError when the file is missing or not one, with what mends a file of that kind."""
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
    assert isinstance(content, dict)  # what is no object is of no kind
    return content


def digest(content: object) -> str:
    """SHA-256 of a JSON-able value: what names an input of a stage."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def _second_key(text: str) -> tuple[str, int]:
    """The first key that an object has twice, and the line of the second; the text has one."""
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
