"""Draws what noise did as tables with a row for each measure at each noise ratio, whole at 80 columns."""

from itertools import pairwise
from typing import TYPE_CHECKING

from rich.table import Table

from holdfast.commands.console import table
from holdfast.commands.rates import rate_lines
from holdfast.counts import counted
from holdfast.evaluate.measured import measured_rates

if TYPE_CHECKING:
    from holdfast.evaluate.verified import Verified


def rates_table(measured: "Verified") -> Table:
    """Makes the table of rates: of the untouched model, and under noise on the mask and on the control."""
    from holdfast.measure_names import measure_words

    rows, sides = [], ("untouched", "mask", "control") if measured.control else ("untouched", "mask")
    for point in measured.points:
        evaluations = {"untouched": measured.untouched, "mask": point.mask, "control": point.control}
        rates = [measured_rates(found) for side in sides if (found := evaluations[side])]
        rows += [
            (f"{point.ratio:g}", measure_words(name), *(rate_lines(name, of_side.get(name)) for of_side in rates))
            for name in measured_rates(measured.untouched)
        ]
    title = f"{counted(measured.num_draws, 'draw')} of each noise; noise in standard deviations of a weight's matrix"
    return _ruled(table(title, ("noise", "measure", *sides), rows), [row[0] for row in rows])


def effects_table(measured: "Verified") -> Table:
    """Makes the table of paired tests, for the measures that the table of rates shows."""
    from holdfast.measure_names import measure_words
    from holdfast.p_values import p_texts
    from holdfast.report.words import difference_lines

    rows = [
        (
            f"{effect.ratio:g}",
            measure_words(effect.measure),
            difference_lines(effect.measure, effect.contrast.value, effect.contrast.low, effect.contrast.high),
            effect.contrast.n,
            p_texts(effect.contrast.p_value, effect.corrected_p),
        )
        for effect in measured.effects
    ]
    header = ("noise", "measure", "mask minus control", "prompts", "p")
    return _ruled(table("The mask against the control", header, rows), [str(row[0]) for row in rows])


def _ruled(drawn: Table, ratios: list[str]) -> Table:
    """Draws a line between the rows of two noise ratios."""
    for row, (ratio, after) in zip(drawn.rows, pairwise(ratios), strict=False):
        row.end_section = ratio != after
    return drawn
