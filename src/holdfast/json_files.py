"""Text and JSON in files, written whole or not at all, and read with a sentence on what mends a broken one."""

import hashlib
import json
import os
from pathlib import Path

from holdfast.file_kinds import identify_record
from holdfast.remedy import remedy
from holdfast.wrong_files import refuse_other, require_kind


def save_text(path: Path, text: str) -> None:
    """Writes a text file; it appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


def save_json(path: Path, content: object) -> None:
    """Writes JSON with sorted keys, whole or not at all; a number that is not finite is our own bug."""
    save_text(path, json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n")


def load_json(path: Path, kind: str = "") -> dict:
    """A JSON object; ValueError when the file is missing or not one, with what mends a file of that kind."""
    if not path.is_file():
        require_kind(path, kind)
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))  # some editors put a byte-order mark first
    except (OSError, ValueError, RecursionError) as error:
        require_kind(path, kind)
        raise ValueError(f"{str(path)!r} could not be read as JSON: {error}; {remedy(path, kind)}.") from error
    if not isinstance(content, dict):
        refuse_other(path, identify_record(content), kind)
    return content


def digest(content: object) -> str:
    """SHA-256 of a JSON-able value: what names an input of a stage."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()
