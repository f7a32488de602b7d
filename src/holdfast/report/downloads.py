"""Writes a table as CSV for spreadsheets and scripts: rates with all digits, and no cell that a spreadsheet would run.

A spreadsheet runs a cell that begins with = + - @ as a formula, and names of prompt sets and components come from
users' files. Such a cell gets an apostrophe in front, unless it is a number.
"""

import csv
import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from io import StringIO

from holdfast.outcomes import Rate
from holdfast.report.tables import Cell, NumberTable

RATE = ("value", "low", "high", "n", "unscored")
"""Columns that replace a column of rates."""
NUMBER = re.compile(r"[+-]?(\d[\d,]*)(\.\d+)?(e[+-]?\d+)?")


def csv_text(table: NumberTable) -> str:
    """Writes all rows of a table as CSV. A rate takes five columns, and numbers have no separators."""
    table = table.whole or table
    rates = [any(isinstance(row[at], Rate) for row in table.rows) for at in range(len(table.header))]
    written = StringIO()
    writer = csv.writer(written)
    writer.writerow(
        [_safe(title) for name, split in zip(table.header, rates, strict=True) for title in _titles(name, split)]
    )
    writer.writerows([part for at, cell in enumerate(row) for part in _cells(cell, rates[at])] for row in table.rows)
    return written.getvalue()


def csv_link(table: NumberTable) -> str:
    """Writes the CSV as a data: URL, which a browser saves without a request."""
    return "data:text/csv;charset=utf-8;base64," + b64encode(csv_text(table).encode()).decode()


def file_stem(*words: str) -> str:
    """Makes a file name for any system, of letters, digits and hyphens: 'attack-success-under-noise'."""
    return re.sub(r"[^a-z0-9]+", "-", " ".join(words).lower()).strip("-")


def _titles(name: str, split: bool) -> Sequence[str]:
    return [f"{name.partition(' [')[0]} {part}" for part in RATE] if split else [name]


def _cells(cell: Cell, split: bool) -> Iterator[str]:
    if isinstance(cell, Rate):
        yield from ("" if (value := getattr(cell, part)) is None else str(value) for part in RATE)
    else:
        yield _safe(cell)
        yield from ("",) * (len(RATE) - 1 if split else 0)


def _safe(cell: str) -> str:
    if NUMBER.fullmatch(cell):
        return cell.replace(",", "")
    return f"'{cell}" if cell.lstrip().startswith(("=", "+", "-", "@")) else cell
