"""Shows the cards of an evaluation's judges, and its rates corrected for the errors that the cards know."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import RenderableType

from holdfast.evaluate.cards import JudgeOf, cards_of
from holdfast.evaluate.corrected import Corrected, corrected_rates
from holdfast.evaluate.judge_card import JudgeCard
from holdfast.json_files import JsonObject
from holdfast.judge.options import REFUSAL_RULES
from holdfast.measure_names import measure_words
from holdfast.outcomes import Evaluation
from holdfast.prompts.labelled import Counted
from holdfast.report.markdown import code, markdown_table, plain_or_code
from holdfast.report.records import Judges
from holdfast.report.tables import NumberTable, to_rich
from holdfast.report.words import ordered, rate_words

TITLE = "Rates corrected for the known errors of the judges"
ROLES = {"judge": "judge", "refusal_judge": "judge of refusals"}


@dataclass(frozen=True)
class ShownCards:
    """Cards of the judges of one or two evaluations, ready to print."""

    tables: list[RenderableType]
    result: dict[str, Any]
    """Cards and corrected rates for JSON."""
    note: str
    """A line on each judge: its card, or that it has none."""
    markdown: list[str]
    """The lines of `note` in Markdown."""
    corrected: Mapping[str, Mapping[str, Corrected]]
    """Corrected rates by heading and measure."""

    def corrected_words(self) -> dict[str, dict[str, str]]:
        """Writes the corrected rates with the labels that they use, by heading and measure."""
        return {
            heading: {name: f"{_cells(rate)[1]}, by labels of {rate.part}" for name, rate in rates.items()}
            for heading, rates in self.corrected.items()
        }

    def page(self) -> JsonObject | None:
        """Returns the cards and the corrected rates as report.json holds them. None without a card."""
        if not any(self.result["judge_cards"].values()):
            return None
        numbers = _numbers(self.corrected)
        rows = [list(map(str, row)) for row in numbers.rows]
        return {"lines": self.note.splitlines(), "header": list(numbers.header), "rows": rows}

    def judges(self) -> Judges | None:
        """Returns the lines and the corrected rates for a page. None without judges."""
        numbers = _numbers(self.corrected)
        rows = tuple(tuple(map(str, row)) for row in numbers.rows)
        return Judges(tuple(self.note.splitlines()), numbers.header, rows) if self.note else None

    def section(self) -> str:
        """Writes the judges and the corrected rates as a section in Markdown. Empty without judges."""
        lines = "\n".join(f"- {line}" for line in self.markdown)
        rows = markdown_table(_numbers(self.corrected), plain_or_code) if any(self.corrected.values()) else ""
        return "\n\n".join(["### Judges", lines, *filter(None, [rows])]) + "\n" if lines else ""


def show_cards(evaluations: Mapping[str, Evaluation], given: Sequence[Path] = ()) -> ShownCards:
    """Makes the tables and lines on the judges of evaluations that were judged alike, by their headings.

    Raises:
        ValueError: a given card is of another judge.
    """
    every = {heading: cards_of(evaluation.made_by, given) for heading, evaluation in evaluations.items()}
    judges = next(iter(every.values()))
    cards: dict[Counted, JudgeCard] = {judge.card.counted: judge.card for judge in judges if judge.card}
    corrected = {heading: corrected_rates(evaluation, cards) for heading, evaluation in evaluations.items()}
    tables: list[RenderableType] = [to_rich(_numbers(corrected))] if any(corrected.values()) else []
    lines = [judge_line(judge) for judge in judges]
    markdown = [judge_line(judge, code) for judge in judges]
    return ShownCards(tables, _result(judges, corrected), "\n".join(lines), markdown, corrected)


def judge_line(judge: JudgeOf, written: Callable[[str], str] = str) -> str:
    """Writes what is known of a judge's errors, or how to measure them. `written` writes names."""
    if judge.card:
        return f"Card of the {ROLES[judge.role]}: {judge.card.sentence(written)}."
    stale = f" ({judge.stale} is the card of another judge)" if judge.stale else ""
    rules = judge.name == REFUSAL_RULES
    who = "The refusal rules have" if rules else f"The {ROLES[judge.role]} {written(judge.name)} has"
    return f"{who} no card{stale}: measure the errors by {written_command(judge.name)}."


def written_command(name: str) -> str:
    """Writes the command that measures a judge."""
    return code(f"holdfast judge-card {name} --labels FILE")


def _numbers(corrected: Mapping[str, Mapping[str, Corrected]]) -> NumberTable:
    """Makes one column for each of two evaluations, and a row for each measure of more."""
    if len(corrected) <= 2:
        columns = [
            column for heading in corrected for column in (heading or "measured", f"{heading} corrected".strip())
        ]
        return NumberTable(TITLE, ("measure", *columns, "labels used"), tuple(_rows(corrected)))
    rows = [(heading, *row) for heading, rates in corrected.items() for row in _rows({heading: rates})]
    return NumberTable(TITLE, ("model", "measure", "measured", "corrected", "labels used"), tuple(rows))


def _rows(corrected: Mapping[str, Mapping[str, Corrected]]) -> list[tuple[str, ...]]:
    """Makes a row for every measure: measured and corrected under each heading, and the labels that were used."""
    names = {name: rates for rates in corrected.values() for name in rates}
    rows = []
    for name, _ in ordered(names):
        known = [rates.get(name) for rates in corrected.values()]
        cells = [cell for each in known for cell in _cells(each)]
        labels = dict.fromkeys(f"{each.part}{f' ({each.why})' if each.why else ''}" for each in known if each)
        rows.append((measure_words(name), *cells, "; ".join(labels)))
    return rows


def _cells(corrected: Corrected | None) -> tuple[str, str]:
    if corrected is None:
        return "not measured", ""
    return rate_words(corrected.measured), rate_words(corrected.corrected) if corrected.corrected else "undefined"


def _result(judges: Sequence[JudgeOf], corrected: Mapping[str, Mapping[str, Corrected]]) -> dict[str, Any]:
    rates = {
        heading: {name: _corrected_json(rate) for name, rate in measured.items()}
        for heading, measured in corrected.items()
    }
    cards = {judge.role: judge.card.as_json() if judge.card else None for judge in judges}
    return {"judge_cards": cards, "corrected": rates.get("", rates)}


def _corrected_json(corrected: Corrected) -> dict[str, Any]:
    rate = corrected.corrected
    return {"rate": asdict(rate) if rate else None, "labels": corrected.part, "why": corrected.why}
