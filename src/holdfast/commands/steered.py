"""Prints what steering did: rates by coefficient, beside the range of random directions."""

from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.commands.console import show, table
from holdfast.commands.rates import measured_rates, range_cells, rate_cells

if TYPE_CHECKING:
    from rich.table import Table

    from holdfast.outcomes import Evaluation
    from holdfast.pipeline.steering import Steered

HOW_TO_READ = (
    "A direction has an effect beyond chance where its rate lies outside the range of the random directions. "
    "Turned round: prompts whose response changed against what the coefficient does on average."
)


def show_steered(measured: "Steered", out: Path, json: bool) -> None:
    """Prints the rates, and how reliably single prompts follow."""
    from holdfast.report.schema import suite_json

    result = {
        "out": str(out),
        "untouched": suite_json(measured.untouched),
        "points": [
            {
                "coefficient": coefficient,
                **suite_json(evaluation),
                "random": [suite_json(one) for one in measured.random[coefficient]],
                "reliability": _reliability(measured.untouched, evaluation),
            }
            for coefficient, evaluation in measured.by_coefficient.items()
        ],
    }
    show(result, [_rates(measured), _reliability_table(measured)], json, note=HOW_TO_READ)


def _rates(measured: "Steered") -> "Table":
    from holdfast.report.words import measure_words

    measures = list(measured_rates(measured.untouched))
    rows = [("0", "nothing", *rate_cells(measured.untouched, measures))]
    for coefficient, evaluation in measured.by_coefficient.items():
        rows.append((f"{coefficient:g}", "the direction", *rate_cells(evaluation, measures)))
        if draws := measured.random[coefficient]:
            rows.append((f"{coefficient:g}", f"{len(draws)} random ones", *range_cells(draws, measures)))
    return table("Rates under steering", ("coefficient", "along", *map(measure_words, measures)), rows)


def _reliability(untouched: "Evaluation", evaluation: "Evaluation") -> dict[str, dict[str, int]]:
    """Counts the prompts that became and ceased to count, for each measure."""
    from holdfast.evaluate.paired import count_changes

    changes = count_changes(untouched, evaluation)
    return {name: {"n": one.n, "became": one.only_after, "ceased": one.only_before} for name, one in changes.items()}


def _reliability_table(measured: "Steered") -> "Table":
    from holdfast.report.words import measure_words

    shown = set(measured_rates(measured.untouched))
    rows = []
    for coefficient, evaluation in measured.by_coefficient.items():
        for name, one in _reliability(measured.untouched, evaluation).items():
            if name in shown:
                against = min(one["became"], one["ceased"])
                counts = (one["n"], one["became"], one["ceased"])
                rows.append((f"{coefficient:g}", measure_words(name), *counts, f"{against / one['n']:.2f}"))
    header = ("coefficient", "measure", "prompts", "became", "ceased", "turned round")
    return table("Prompts that changed, along the direction", header, rows)
