"""Draws tables by layer and component in the terminal."""

import re
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from holdfast.commands.console import unless_quiet
from holdfast.models.by_layer import ByLayer
from holdfast.printable import printable
from holdfast.report.layer_grid import COLUMNS, Grid, densest, layer_grid, meaning

OVER_MATRICES = "IoU [interval over matrices]"
"""Title of a column of IoUs. The interval leaves out one matrix at a time, and says nothing about other prompts."""
WIDEST = 5
"""Characters of a column's title that one line holds."""
DEEP, LISTED = 12, 8
"""A command that writes a file lists all layers up to the first number. Of more layers it lists the second number."""
LONGEST = 40
"""Largest width of a column, in characters."""


def layer_table(title: str, counts: ByLayer, *, without_empty: bool = False, file: Path | None = None) -> Group:
    """Draws relative densities by layer and component, with a text below that names the densest layers.

    Args:
        title: title of the table.
        counts: the weights of each layer and component.
        without_empty: leaves out layers without a chosen weight.
        file: file of the weights, which `holdfast show` shows whole. With it, only the densest layers of a deep model
            are listed.
    """
    layers = len({part.layer for part in counts.inside})
    is_short = file is not None and layers > DEEP
    grid = layer_grid(counts, COLUMNS, without_empty=without_empty, most=LISTED if is_short else None)
    left_out = f"Layers where none {counts.chosen} are left out." if without_empty else ""
    shortened = f"Listed: the {LISTED} densest of {layers} layers." if is_short else ""
    whole = f"`holdfast show {file}` lists all." if is_short else ""
    below = (unless_quiet(meaning(counts)), densest(counts), unless_quiet(left_out), shortened, unless_quiet(whole))
    return grid_table(title, grid, " ".join(filter(None, below)))


def grid_table(title: str, grid: Grid, below: str) -> Group:
    """Draws a table of plain text under its title, as narrow as it can be. Nothing in it is read as markup."""
    drawn = Table(box=box.SIMPLE_HEAD, padding=(0, 0, 0, 1), pad_edge=False)
    for position, name in enumerate(grid.header):
        title_lines = Text(_in_lines(printable(name)))
        drawn.add_column(title_lines, justify="right" if position else "left", overflow="fold", max_width=LONGEST)
    for row in grid.rows:
        drawn.add_row(*_texts(row))
    drawn.add_section()
    for row in grid.totals:
        drawn.add_row(*_texts(row))
    return Group(Text(printable(title), style="italic"), drawn, Text(printable(below), style="dim"))


def _texts(row: Sequence[str]) -> list[Text]:
    return [Text(printable(cell)) for cell in row]


def _in_lines(name: str) -> str:
    """Breaks a long name into lines, after dots, underscores and blanks."""
    lines = [""]
    for part in re.findall(r"[^._ ]*[._ ]?", name):
        if lines[-1] and len(lines[-1] + part) > WIDEST:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)
