"""Prints what steering did: rates by coefficient, beside the range of random directions."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from holdfast.commands.console import show, table, unless_quiet
from holdfast.commands.rates import range_cells, rate_cells
from holdfast.evaluate.measured import measured_rates
from holdfast.p_values import p_text, rank_p_value

if TYPE_CHECKING:
    from rich.table import Table

    from holdfast.outcomes import Evaluation
    from holdfast.pipeline.steering import Steered

LEVEL = 0.05
"""Largest p value that shows an effect."""
ENOUGH = 19
"""Fewest random directions with which a p value can reach 0.05: 1 / (19 + 1)."""
HOW_TO_READ = (
    "p: share of the direction and the random ones whose change is at least as large, up or down. An effect is shown "
    "at 0.05 or less, which needs 19 random directions or more. p is not corrected for the number of rows. "
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
                "random": [suite_json(drawn) for drawn in measured.random[coefficient]],
                "against_random": {effect.measure: effect.as_json() for effect in _effects(measured, coefficient)},
                "reliability": _reliability(measured.untouched, evaluation),
            }
            for coefficient, evaluation in measured.by_coefficient.items()
        ],
    }
    show(
        result,
        [_rates(measured), _chance_table(measured), _reliability_table(measured)],
        json,
        note=unless_quiet(HOW_TO_READ),
    )


def _rates(measured: "Steered") -> "Table":
    from holdfast.measure_names import measure_words

    measures = list(measured_rates(measured.untouched))
    rows = [("0", "nothing", *rate_cells(measured.untouched, measures))]
    for coefficient, evaluation in measured.by_coefficient.items():
        rows.append((f"{coefficient:g}", "the direction", *rate_cells(evaluation, measures)))
        if draws := measured.random[coefficient]:
            rows.append((f"{coefficient:g}", f"{len(draws)} random ones", *range_cells(draws, measures)))
    return table("Rates under steering", ("coefficient", "along", *map(measure_words, measures)), rows)


class Effect(NamedTuple):
    """Change of one rate by the direction, and by random directions of equal length."""

    measure: str
    change: float
    random: tuple[float, ...]
    nothing_moves: bool
    """True if the rate is the same without steering and under every steering."""

    @property
    def p_value(self) -> float:
        """Rank of the change among those of the random directions, without signs."""
        return rank_p_value(self.change, self.random)

    @property
    def words(self) -> str:
        """Says what the p value shows."""
        if self.nothing_moves:
            return "nothing can be concluded: all rates are equal"
        if len(self.random) < ENOUGH:
            return f"for orientation: {len(self.random)} random directions can't decide, {ENOUGH} or more can"
        return "more than random directions do" if self.p_value <= LEVEL else "no more than random directions do"

    def as_json(self) -> dict[str, object]:
        """Returns the change with its p value and what it shows."""
        return {"change": self.change, "p_value": self.p_value, "random": len(self.random), "verdict": self.words}


def _effects(measured: "Steered", coefficient: float) -> list[Effect]:
    """Compares the change of every measure with the changes of the random directions."""
    before = _known(measured.untouched)
    own = _known(measured.by_coefficient[coefficient])
    draws = [_known(drawn) for drawn in measured.random[coefficient]]
    effects = []
    for name in before.keys() & own.keys():
        changes = tuple(draw[name] - before[name] for draw in draws if name in draw)
        change = own[name] - before[name]
        effects.append(Effect(name, change, changes, not any((change, *changes))))
    return sorted(effects, key=lambda effect: list(before).index(effect.measure))


def _known(evaluation: "Evaluation") -> dict[str, float]:
    """Returns the rates that were measured, by measure."""
    return {name: rate.value for name, rate in measured_rates(evaluation).items() if rate.value is not None}


def _chance_table(measured: "Steered") -> "Table":
    from holdfast.measure_names import measure_words

    rows = [
        (
            f"{coefficient:g}",
            measure_words(effect.measure),
            f"{effect.change:+.2f}",
            p_text(effect.p_value) if effect.random else "not measured",
            effect.words,
        )
        for coefficient in measured.by_coefficient
        for effect in _effects(measured, coefficient)
    ]
    header = ("coefficient", "measure", "change", "p", "against random directions")
    return table("Change along the direction, against random directions", header, rows)


def _reliability(untouched: "Evaluation", evaluation: "Evaluation") -> dict[str, dict[str, int]]:
    """Counts the prompts that became and ceased to count, for each measure."""
    from holdfast.evaluate.paired import count_changes

    changes = count_changes(untouched, evaluation)
    return {name: {"n": one.n, "became": one.only_after, "ceased": one.only_before} for name, one in changes.items()}


def _reliability_table(measured: "Steered") -> "Table":
    from holdfast.measure_names import measure_words

    shown = set(measured_rates(measured.untouched))
    rows = []
    for coefficient, evaluation in measured.by_coefficient.items():
        for name, changed in _reliability(measured.untouched, evaluation).items():
            if name in shown:
                against = min(changed["became"], changed["ceased"])
                counts = (changed["n"], changed["became"], changed["ceased"])
                rows.append((f"{coefficient:g}", measure_words(name), *counts, f"{against / changed['n']:.2f}"))
    header = ("coefficient", "measure", "prompts", "became", "ceased", "turned round")
    return table("Prompts that changed, along the direction", header, rows)
