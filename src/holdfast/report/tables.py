"""Makes the tables of numbers that the page and the terminal both show."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.arms import arms_of as rows_of
from holdfast.measure_names import mark_of
from holdfast.outcomes import Rate
from holdfast.p_values import p_texts
from holdfast.perplexity_texts import perplexity_with_ends, ratio_with_ends
from holdfast.printable import printable
from holdfast.report.arms import (
    PERPLEXITY_RATIO,
    Arm,
    arms_of,
    is_length,
    measure_label,
    measures_of,
)
from holdfast.report.records import Component, NoiseRates, Report
from holdfast.report.verdicts import Verdict, verdicts_of

if TYPE_CHECKING:
    from rich.table import Table

VERIFY_ARMS = rows_of("verify")
RISE_IS_BAD = ("asr", "not_refused", "over_refusal", "borderline")
CORRECTED_P = "paired p (corrected)"
CLAIMS_TITLE = "Do the claims hold on this model?"
Cell = str | Rate
"""Text, or a rate that is kept whole, so that a CSV file can hold all its digits."""


@dataclass(frozen=True)
class NumberTable:
    """Table with a title, column names and rows. Columns in `numeric` are aligned right."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numeric: frozenset[int] = frozenset()
    whole: "NumberTable | None" = None
    """Table of all rows, if this one shows only some."""


def claims_table(report: Report) -> "Table":
    """Makes the table that ends a run in the terminal: every claim with its answer and the difference that decides."""
    rows = tuple((one.claim, one.answer, one.finding or one.undecided) for one in verdicts_of(report))
    return to_rich(NumberTable(CLAIMS_TITLE, ("claim", "answer", "what decides"), rows))


def summary_tables(report: Report) -> list["Table"]:
    """Makes the tables with all numbers of a run: the verdicts and the numbers behind them.

    Stages that the config leaves out have no table.
    """
    arms = dict(zip(arms_of(report), arm_tables(report), strict=True))
    asked = [table for section, table in arms.items() if section not in report.config.stages_left_out]
    tables = [verdict_table(verdicts_of(report)), *noise_tables(report), *asked]
    return [to_rich(table) for table in tables if table.rows]


def to_rich(table: NumberTable) -> "Table":
    """Draws a table for the terminal. Every cell is plain text, so that markup and control codes have no effect."""
    from rich.table import Table
    from rich.text import Text

    drawn = Table(title=Text(table.title), title_justify="left")
    for position, name in enumerate(table.header):
        justify = "right" if position in table.numeric else "left"
        drawn.add_column(Text(name, overflow="fold"), justify=justify, overflow="fold")
    for row in table.rows:
        drawn.add_row(*(Text(printable(str(cell)), overflow="fold") for cell in row))
    return drawn


def verdict_table(verdicts: Sequence[Verdict]) -> NumberTable:
    """Makes the table of verdicts, one row per claim."""
    rows = tuple((verdict.claim, verdict.answer, verdict.numbers) for verdict in verdicts)
    return NumberTable(CLAIMS_TITLE, ("claim", "answer", "numbers"), rows)


def component_table(components: Sequence[Component], chosen: str = "selected", mean: str | None = None) -> NumberTable:
    """Makes the table of chosen entries, one row per layer and component.

    Args:
        components: the counts of entries.
        chosen: the word for chosen entries, such as "selected".
        mean: title of the column of means. None leaves the column out.
    """
    total = sum(part.selected for part in components) or 1
    rows = tuple(
        (
            "none" if part.layer is None else str(part.layer),
            part.component,
            f"{part.selected:,}",
            f"{part.entries:,}",
            f"{part.selected / total:.4f}",
            f"{part.selected / part.entries:.4f}",
            *([_mean(part.mean)] if mean else []),
        )
        for part in components
    )
    header = ("layer", "component", chosen, "entries", f"share of {chosen}", "density", *([mean] if mean else []))
    title = f"{chosen.capitalize()} entries by layer and component"
    return NumberTable(title, header, rows, frozenset(range(len(header))) - {1})


def _mean(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def noise_tables(report: Report) -> list[NumberTable]:
    """Makes one table each of safety, utility and, if measured, coherence at every noise ratio."""
    verify = report.verify
    rates = {f"{measure_label(report.safety)} under noise": verify.safety, "Utility under noise": verify.utility}
    if verify.coherence is not None:
        rates["Coherent answers to harmful prompts under noise"] = verify.coherence
    return [_noise_table(title, verify.noise_ratio, of_measure) for title, of_measure in rates.items()]


def _noise_table(title: str, ratios: Sequence[float], rates: NoiseRates) -> NumberTable:
    arms = list(rates.arms)
    rows: list[tuple[Cell, ...]] = [("0", *(rates.baseline for _ in arms))] if rates.baseline and arms else []
    rows += [(f"{ratio:g}", *(_rate_at(rates.arms[name], row) for name in arms)) for row, ratio in enumerate(ratios)]
    return NumberTable(title, ("noise ratio", *(VERIFY_ARMS[name].label for name in arms)), tuple(rows), frozenset({0}))


def _rate_at(rates: Sequence[Rate], row: int) -> Cell:
    return rates[row] if row < len(rates) else "not measured yet"


def arm_tables(report: Report) -> list[NumberTable]:
    """Makes the tables of SET and SPA, with one row per measure and arm."""
    titles = {"enhance": "SET: before and after", "adapt": "SPA: start, plain and held fast"}
    return [arm_table(titles[section], arms) for section, arms in arms_of(report).items()]


def arm_table(title: str, arms: Sequence[Arm]) -> NumberTable:
    """Makes a table of every measure of every arm, with the change on the same prompts and its paired test."""
    measures = [measure for measure in measures_of(arms) if measure != PERPLEXITY_RATIO]  # a change, not a row
    rows = tuple(
        (_marked_label(arms, measure), arm.label, *_measured_cells(arm, measure))
        for measure in measures
        for arm in arms
    )
    header = ("measure", "weights", "rate [95% interval]", "change", "worse / better prompts", CORRECTED_P)
    return NumberTable(title, header, rows, frozenset({3, 5}))


def _marked_label(arms: Sequence[Arm], measure: str) -> str:
    """Writes a measure as a title. A category with few prompts is marked."""
    most = max((rate.n + rate.unscored for arm in arms if (rate := arm.rate(measure))), default=0)
    return f"{measure_label(measure)}{mark_of(measure, most)}"


def _measured_cells(arm: Arm, measure: str) -> tuple[Cell, str, str, str]:
    if measure == "perplexity":
        value = arm.suite.perplexity
        ratio = arm.rate(PERPLEXITY_RATIO)
        shown = "not measured yet" if value is None else perplexity_with_ends(value, arm.rate(measure))
        return shown, "" if ratio is None else f"times {ratio_with_ends(ratio)}", "", ""
    rate, pair = arm.rate(measure), arm.paired(measure)
    shown = rate or "not measured yet"
    if is_length(measure):
        change = arm.suite.length_change.get(measure)
        return shown, "" if change is None else f"{change:+.1f}", "", ""
    if pair is None:
        return shown, "", "", ""
    gained, lost = pair.only_after, pair.only_before
    flips = f"{gained} / {lost}" if measure.startswith(RISE_IS_BAD) else f"{lost} / {gained}"
    return shown, _number(pair.difference, "+.3f"), flips, p_texts(pair.p_value, arm.corrected.get(measure))


def _number(value: float | None, form: str) -> str:
    return "not measured yet" if value is None else format(value, form)
