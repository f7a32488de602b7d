"""Reads the rows of a JSON file: one object per line (JSONL), or one document.

A document is an array of rows, or an object of arrays: prompts by category, at any depth. The outermost keys become the
groups. If the outermost object has one key alone, the keys inside it do. A text in an array is a prompt.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from holdfast.json_files import DuplicateKeyError, parse_json
from holdfast.prompts.layouts import KNOWN_COLUMNS, folded

Place = int | str
"""A line number, counted from 1. In a document, the number of the row in words."""
Row = tuple[Place, dict[str, object]]
"""The place of a row, and its values by column."""


def json_rows(file: Path) -> Iterator[Row]:
    """Yields every row of the file.

    Raises:
        ValueError: the file is not JSON, an object has a key twice, or an item is neither a row nor a prompt.
    """
    # Some editors write a byte-order mark first. JSON strings may hold other line separators, such as U+2028.
    with file.open(encoding="utf-8-sig", newline="\n") as opened:
        begin = next((line for line in opened if line.strip()), "")
    if not begin:
        return
    yield from _lines(file) if _is_whole(begin) else _document(file)


def _is_whole(line: str) -> bool:
    """Returns True if a line is JSON by itself. One with a key twice counts, and is refused when it is read."""
    try:
        parse_json(line)
    except DuplicateKeyError:
        return True
    except (ValueError, RecursionError):
        return False
    return True


def _lines(file: Path) -> Iterator[Row]:
    with file.open(encoding="utf-8-sig", newline="\n") as opened:
        for number, line in enumerate(opened, 1):
            if line.strip():
                # Without its line break, since a value that lacks its end would be reported one line below.
                yield from _rows(file, number, _parsed(file, line.rstrip(), number))


def _document(file: Path) -> Iterator[Row]:
    # Line breaks stay unchanged, so that line numbers are those that an editor shows.
    with file.open(encoding="utf-8-sig", newline="") as opened:
        text = opened.read()
    try:
        document = _parsed(file, text.rstrip(), 1)
    except ValueError:
        if not _is_lines(text):
            raise
        yield from _lines(file)  # which names the first line that is broken
    else:
        yield from _rows(file, 1, document)


def _is_lines(text: str) -> bool:
    """Returns True if a text that is no JSON is broken JSONL: it opens no document, and a line of it is an object."""
    first, *others = text.strip().split("\n")
    opens = first.startswith("[") or first.strip() == "{"
    return not opens and any(line.startswith("{") and _is_whole(line) for line in others)


def _parsed(file: Path, text: str, begin: int) -> object:
    """Parses a text that begins at line `begin` of the file."""
    try:
        return parse_json(text)
    except DuplicateKeyError as error:
        line = begin + error.line - 1
        raise ValueError(
            f"{file}:{line} has the key {error.key!r} a second time in one object, so its value is ambiguous; keep "
            "one of the two."
        ) from error
    except (ValueError, RecursionError) as error:  # RecursionError: nested too deeply
        line = begin + getattr(error, "lineno", 1) - 1
        reason = getattr(error, "msg", error)
        raise ValueError(
            f"{file}:{line} is not JSON ({reason}); each line must be one JSON object, or the whole file one array of "
            "objects."
        ) from error


def _rows(file: Path, place: Place, value: object) -> Iterator[Row]:
    """Yields the rows of one JSON value: the value itself, or the rows that it lists."""
    if isinstance(value, dict) and not _is_nested(value):
        yield place, value
        return
    if isinstance(value, list | dict):
        for number, row in enumerate(_listed(value, None), 1):
            item = f"item {number}" if place == 1 else f"{place}, item {number}"
            if not isinstance(row, dict):
                raise ValueError(
                    f'{file}:{item} is not a JSON object; each item must be a text, or like {{"prompt": "..."}}.'
                )
            yield item, row
        return
    raise ValueError(f'{file}:{place} is not a JSON object; each line must be like {{"prompt": "..."}}.')


def _is_nested(value: Mapping[str, object]) -> bool:
    """Returns True if an object lists prompts by category and is no row itself."""
    holds_lists = bool(value) and all(isinstance(inner, list | dict) for inner in value.values())
    return holds_lists and not {folded(key) for key in value} & KNOWN_COLUMNS


def _listed(value: object, group: str | None) -> Iterator[object]:
    """Yields the rows of an array, or of an object of arrays, each with its group."""
    if isinstance(value, dict) and _is_nested(value):
        for key, inner in value.items():
            yield from _listed(inner, group or (key if len(value) > 1 else None))
    elif isinstance(value, list):
        for item in value:
            yield _grouped({"prompt": item} if isinstance(item, str) else item, group)
    else:
        yield _grouped(value, group)


def _grouped(row: object, group: str | None) -> object:
    return {"group": group, **row} if isinstance(row, dict) and group is not None else row
