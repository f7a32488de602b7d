"""Which file a prompt set is, and which of its columns are read.

A set is given as

    testbed:NAME                            built in
    FILE                                    JSON, JSONL, CSV, TSV or Parquet, with a column prompt or one that is known
    FILE#prompt=COLUMN&group=COLUMN         the same with columns of other names; %26 stands for & in a name
    NAME                                    a public set of `holdfast prompts list`
    FILE#rows=COLUMN:VALUE                  the rows that hold that value
    FILE#rows=all                           every row, also those that the file's labels give to another use
    ANY OF THEM#first=N                     its first N prompts
    ANY OF THEM#sample=N                    N prompts spread over all of it, the same ones every time

A name of the list is always that set; ./NAME is a file of the same name.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from urllib.parse import unquote

from holdfast.arguments import require_name
from holdfast.built_in import prompts_path
from holdfast.prompts.fetch import fetch
from holdfast.prompts.known import KNOWN, USES
from holdfast.records import Exchange, Kind, Prompt
from holdfast.spelling import meant

TESTBED = "testbed:"
ALL = "all"
"""Asks for every row, whatever the file's labels say."""
FIELDS = tuple(dict.fromkeys(one.name for record in (Prompt, Exchange) for one in fields(record)))
"""What a column may be read as."""

BEHIND = (*FIELDS, "rows", "first", "sample")
"""What may follow the #."""
_ALLOWED = (
    f"allowed, joined by &, are {', '.join(f'{name}=COLUMN' for name in FIELDS)}, rows=COLUMN:VALUE or rows=all, and "
    "first=N for the first N prompts or sample=N for N spread over all of them"
)


@dataclass(frozen=True)
class PromptSource:
    """A file and how it is read."""

    file: Path
    columns: Mapping[str, str] = field(default_factory=dict)
    """Columns by what they are read as; what is not named has the name of its column."""
    where: tuple[str, str] | None = None
    """A column and what it holds in the rows that are read; all rows where None."""
    kind: Kind | None = None
    """Of all prompts, whatever the file says."""
    template: str | None = None
    """The prompt of a row, its columns in braces, where none of them is the whole of it."""
    labels: tuple[str, ...] = ()
    """What the numbers in the column of answers stand for, from 0 on."""
    first: int | None = None
    """How many prompts are read; all where None."""
    sample: int | None = None
    """How many prompts are read, spread over all of them; all where None."""
    takes_all: bool = False
    """Whether rows are read that the file's own labels give to another use."""


def require_set_name(given: object) -> None:
    """Raises ValueError when prompts are given by value where a set's name or path is wanted."""
    require_name(given, "a prompt set", "give a file, testbed:NAME, or a name of `holdfast prompts list`")


def find_source(name: str | Path) -> PromptSource:
    """The source that a name, a path or a `testbed:NAME` stands for; a public set is fetched.

    Raises:
        ValueError: there is none such, it cannot be fetched, or columns are named wrongly.
    """
    require_set_name(name)
    text = str(name)
    before, marked, chosen = text.rpartition("#")
    if not marked or Path(text).expanduser().exists():
        return _whole(text, is_path=isinstance(name, Path))
    columns = _chosen(text, chosen)
    if {"first", "sample"} <= columns.keys():
        raise ValueError(f"{text!r} asks for the first prompts and for a sample; leave one of the two out.")
    counts = {name: _count(text, name, columns.pop(name)) for name in ("first", "sample") if name in columns}
    rows = columns.pop("rows", None)
    source = _whole(before, is_path=isinstance(name, Path))
    if (columns or rows) and source.kind is not None:
        raise ValueError(f"{text!r} names columns or rows of a public set, whose own are known; leave them out.")
    where = _where(text, rows) if rows not in (None, ALL) else source.where
    columns = {**source.columns, **columns}
    return replace(source, columns=columns, where=where, takes_all=rows == ALL, **counts)


def _whole(text: str, *, is_path: bool) -> PromptSource:
    """What is meant before any choice."""
    if not is_path and (known := KNOWN.get(text)):
        return PromptSource(
            fetch(known), known.columns, known.where, known.kind, template=known.template, labels=known.labels
        )
    if text.startswith(TESTBED):
        return PromptSource(prompts_path(text.removeprefix(TESTBED)))
    return PromptSource(_existing(text))


def _existing(text: str) -> Path:
    if not text.strip():
        raise ValueError(
            "the name of a prompt set is empty; give a file, testbed:NAME, or a name of `holdfast prompts list`."
        )
    path = Path(text).expanduser()
    if path.is_file():
        return path
    if not path.exists() and path.name == text and not path.suffix:  # no path, so a name was meant
        raise ValueError(f"no file and no public prompt set is called {text!r}; {meant(text, KNOWN, uses=USES)}.")
    what = "is a folder" if path.is_dir() else "is no regular file" if path.exists() else "does not exist"
    raise ValueError(
        f"prompt file {text!r} {what}; give a JSON, JSONL, CSV, TSV or Parquet file, or a name of `holdfast prompts "
        "list`."
    )


def _chosen(text: str, chosen: str) -> dict[str, str]:
    """What is chosen, by name: columns, which rows, and how many prompts."""
    pairs = [part.partition("=") for part in chosen.split("&")]
    for name, _, value in pairs:
        if name not in BEHIND:
            raise ValueError(
                f"{text!r} has {name!r} behind the #, which may not follow it; {meant(name, BEHIND, _ALLOWED)}."
            )
        if not value:
            raise ValueError(f"{text!r} has {name!r} behind the #, which has no value there; {_ALLOWED}.")
    found = {name: unquote(value) for name, _, value in pairs}
    if len(found) < len(pairs):
        raise ValueError(f"{text!r} says the same thing twice behind the #; say each once.")
    return found


def _where(text: str, rows: str | None) -> tuple[str, str]:
    column, parted, value = str(rows).partition(":")
    if not parted or not column:
        raise ValueError(f"{text!r} chooses the rows {rows!r}; write rows=COLUMN:VALUE, or rows=all for every row.")
    return column, value


def _count(text: str, name: str, value: str) -> int:
    if not value.isdecimal() or int(value) == 0:
        raise ValueError(f"{text!r} has {name}={value} behind the #; give a whole number of 1 or more.")
    return min(int(value), sys.maxsize)
