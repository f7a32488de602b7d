"""Draws tables by layer and component in the terminal."""

import re
from collections.abc import Sequence

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from holdfast.models.by_layer import ByLayer
from holdfast.printable import printable
from holdfast.report.layer_grid import COLUMNS, MEANING, Grid, densest, layer_grid

WIDEST = 8
"""Characters of a column's title that one line holds."""
LONGEST = 40
"""Largest width of a column, in characters."""


def layer_table(title: str, counts: ByLayer, *, without_empty: bool = False) -> Group:
    """Draws relative densities by layer and component, with a text below that names the densest layers."""
    grid = layer_grid(counts, COLUMNS, without_empty=without_empty)
    left_out = f"Layers where none {counts.chosen} are left out." if without_empty else ""
    return grid_table(title, grid, " ".join(filter(None, (MEANING, densest(counts), left_out))))


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
