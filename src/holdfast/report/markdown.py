"""Writes tables, names and code in Markdown. Names are untrusted: what could be markup is written as code."""

import re
from collections.abc import Callable, Collection, Sequence

from holdfast.printable import printable
from holdfast.report.tables import NumberTable

PLAIN_NAME = re.compile(r"[^\W_]+(?:(?:, |[ _-])[^\W_]+)*")
"""Matches a name that contains no Markdown."""

MARKUP = re.compile(r"<[^\s\d=]|[|`*\\@\x00-\x1f\x7f-\x9f]|!\[|\][(\[:]|[#&]\w|&#|~~|\b_|_\b|://|www\.")
"""Matches what could be Markdown, HTML, a mention or a link in a sentence."""


def markdown_table(table: NumberTable, *written: Callable[[str], str]) -> str:
    """Writes a Markdown table with padded columns. `written` are the functions that write the first columns."""
    writers = [*written, *[str] * (len(table.header) - len(written))]
    body = [[write(str(cell)) for write, cell in zip(writers, row, strict=True)] for row in table.rows]
    cells = [table.header, *body]
    rows = [[cell.replace("|", "\\|") for cell in row] for row in cells]  # a bar ends a cell, even in code
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rule = [
        "-" * (width - 1) + ":" if position in table.numeric else "-" * width for position, width in enumerate(widths)
    ]
    header, *lines = [_line(row, widths, table.numeric) for row in rows]
    return "\n".join([header, _line(rule, widths, table.numeric), *lines])


def _line(cells: Sequence[str], widths: Sequence[int], numeric: Collection[int]) -> str:
    padded = [
        cell.rjust(width) if position in numeric else cell.ljust(width)
        for position, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return f"| {' | '.join(padded)} |"


def plain_or_code(text: str) -> str:
    """Writes a name as it is if it contains no Markdown, else as code."""
    return text if PLAIN_NAME.fullmatch(text) else code(text)


def sentence_or_code(text: str) -> str:
    """Writes a sentence as it is if it contains no Markdown and no link, else as code."""
    return code(text) if MARKUP.search(text) else text


def code(text: str) -> str:
    """Writes text as code, where Markdown has no effect and sites do not link @names."""
    shown = printable(text).replace("`", "'")  # a backtick would end the code
    return f"`{shown}`" if shown.strip() else "` `"
