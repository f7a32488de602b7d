"""Finds the file of a prompt set, and the columns to read, by the name that a user gives.

A name has one of these forms:

    testbed:NAME                            built in
    FILE                                    text, one prompt a line
    FILE                                    JSON, JSONL, CSV, TSV or Parquet, with a column prompt or another known one
    FILE#prompt=COLUMN&group=COLUMN         a file with columns of other names (%26 stands for & in a name)
    NAME                                    a public set of `holdfast prompts list`
    FILE#rows=COLUMN:VALUE                  the rows that hold that value
    FILE#rows=all                           every row, also those that the file's labels give to another use
    ANY OF THEM#first=N                     its first N prompts
    ANY OF THEM#last=N                      its last N prompts
    ANY OF THEM#sample=N                    N prompts spread over all of it, always the same ones
    ANY OF THEM#skip=N                      all but its first N prompts; skip=N&first=M takes the next M, and so on

A name of the list always means that set. ./NAME means a file of that name.
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
from holdfast.spelling import is_nearly, meant

SIMILAR = 0.75
"""Similarity (difflib's ratio) of two files' names without their endings. harmful and harmless have 0.67."""
TESTBED = "testbed:"
ALL = "all"
"""Value of `rows` that selects every row, whatever the file's labels say."""
FIELDS = tuple(dict.fromkeys(column.name for record in (Prompt, Exchange) for column in fields(record)))
"""Fields that a column may be read as."""

PARTS = ("first", "last", "sample")
"""Options that choose a part of a set. One of them at a time, and each after `skip`."""
BEHIND = (*FIELDS, "rows", "skip", *PARTS)
"""Options that may follow the #."""
_ALLOWED = (
    f"allowed, joined by &, are {', '.join(f'{name}=COLUMN' for name in FIELDS)}, rows=COLUMN:VALUE or rows=all, and "
    "first=N for the first N prompts, last=N for the last N or sample=N for N spread over all of them; skip=N first "
    "leaves out N of them"
)


@dataclass(frozen=True)
class PromptSource:
    """A prompt file, and the way to read it."""

    file: Path
    columns: Mapping[str, str] = field(default_factory=dict)
    """Columns by field. A field that is not listed is read from the column of its own name."""
    where: tuple[str, str] | None = None
    """A column, and the value that it has in the rows to read. None reads all rows."""
    kind: Kind | None = None
    """Kind of all prompts, whatever the file says."""
    template: str | None = None
    """A template that makes the prompt out of several columns, whose names stand in braces."""
    labels: tuple[str, ...] = ()
    """Answers that the numbers in the column of answers stand for, from 0 on."""
    skip: int | None = None
    """Number of prompts at the beginning that are left out, before `first`, `last` and `sample` choose from the others.
    None leaves out none."""
    first: int | None = None
    """Number of prompts to read from the beginning. None reads all."""
    last: int | None = None
    """Number of prompts to read from the end. None reads all."""
    sample: int | None = None
    """Number of prompts to read, spread over all of them. None reads all."""
    takes_all: bool = False
    """True to also read rows that the file's own labels give to another use."""


def require_set_name(given: object) -> None:
    """Raises ValueError if a caller gives prompts in place of a set's name or path."""
    require_name(given, "a prompt set", "give a file, testbed:NAME, or a name of `holdfast prompts list`")


def find_source(name: str | Path) -> PromptSource:
    """Returns the source for a name, a path or `testbed:NAME`. Fetches a public set.

    Raises:
        ValueError: the set does not exist, it cannot be fetched, or columns are named wrongly.
    """
    require_set_name(name)
    text = str(name)
    before, marked, chosen = text.rpartition("#")
    if not marked or Path(text).expanduser().exists():
        return _whole(text, is_path=isinstance(name, Path))
    columns = _chosen(text, chosen)
    parts = [part for part in PARTS if part in columns]
    if len(parts) > 1:
        raise ValueError(f"{text!r} has {parts[0]}= and {parts[1]}= behind the #; leave one of the two out.")
    counts = {name: _count(text, name, columns.pop(name)) for name in ("skip", *parts) if name in columns}
    rows = columns.pop("rows", None)
    source = _whole(before, is_path=isinstance(name, Path))
    if (columns or rows) and source.kind is not None:
        raise ValueError(f"{text!r} names columns or rows of a public set, which has its own; leave them out.")
    where = _where(text, rows) if rows not in (None, ALL) else source.where
    columns = {**source.columns, **columns}
    return replace(source, columns=columns, where=where, takes_all=rows == ALL, **counts)


def _whole(text: str, *, is_path: bool) -> PromptSource:
    """Returns the source that the part before the # names."""
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
    problem = "is a folder" if path.is_dir() else "is no regular file" if path.exists() else "does not exist"
    allowed = (
        "give a text file with one prompt a line, a JSON, JSONL, CSV, TSV or Parquet file, or a name of `holdfast "
        "prompts list`"
    )
    raise ValueError(f"prompt file {text!r} {problem}; {meant(path.name, _alike(path), allowed)}.")


def _alike(path: Path) -> list[str]:
    """Lists the files of the same folder with a similar name, whatever its ending."""
    names = sorted(file.name for file in path.parent.glob("*") if file.is_file())
    return [name for name in names if is_nearly(path.stem, Path(name).stem, SIMILAR)]


def _chosen(text: str, chosen: str) -> dict[str, str]:
    """Returns the options behind the #, by name: columns, rows, and number of prompts."""
    pairs = [part.partition("=") for part in chosen.split("&")]
    for name, _, value in pairs:
        if name not in BEHIND:
            raise ValueError(
                f"{text!r} has {name!r} behind the #, which is not allowed there; {meant(name, BEHIND, _ALLOWED)}."
            )
        if not value:
            raise ValueError(f"{text!r} has {name!r} behind the # without a value; {_ALLOWED}.")
    chosen_values = {name: unquote(value) for name, _, value in pairs}
    if len(chosen_values) < len(pairs):
        raise ValueError(f"{text!r} sets an option twice behind the #; set each once.")
    return chosen_values


def _where(text: str, rows: str | None) -> tuple[str, str]:
    column, parted, value = str(rows).partition(":")
    if not parted or not column:
        raise ValueError(f"{text!r} chooses the rows {rows!r}; write rows=COLUMN:VALUE, or rows=all for every row.")
    return column, value


def _count(text: str, name: str, value: str) -> int:
    if not value.isdecimal() or int(value) == 0:
        raise ValueError(f"{text!r} has {name}={value} behind the #; give a whole number of 1 or more.")
    return min(int(value), sys.maxsize)
