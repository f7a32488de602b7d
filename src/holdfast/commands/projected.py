"""Prints what a model does without a direction: rates beside those without random directions."""

from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.commands.console import show, table, unless_quiet
from holdfast.commands.rates import measured_rates, range_cells, rate_cells

if TYPE_CHECKING:
    from holdfast.pipeline.projecting import Projected

HOW_TO_READ = (
    "The direction carries something beyond chance where its rate lies outside the range of the random directions. "
    "The model was given back as it was, and nothing else was written than these evaluations."
)


def show_projected(measured: "Projected", out: Path, json: bool) -> None:
    """Prints the rates of the untouched model, without the direction, and without random ones."""
    from holdfast.report.schema import suite_json
    from holdfast.report.words import measure_words

    measures = list(measured_rates(measured.untouched))
    rows = [
        ("nothing", *rate_cells(measured.untouched, measures)),
        ("the direction", *rate_cells(measured.projected, measures)),
        (f"{len(measured.random)} random ones", *range_cells(measured.random, measures)),
    ]
    result = {
        "out": str(out),
        "untouched": suite_json(measured.untouched),
        "projected_out": suite_json(measured.projected),
        "random": [suite_json(drawn) for drawn in measured.random],
    }
    header = ("without", *map(measure_words, measures))
    show(
        result,
        [table("Rates without a direction of the residual stream", header, rows)],
        json,
        note=unless_quiet(HOW_TO_READ),
    )
