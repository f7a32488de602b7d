"""The rates and perplexities of an evaluation as cells of a table, for commands that measure a changed model."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from holdfast.evaluate.measured import measured_rates

if TYPE_CHECKING:
    from holdfast.outcomes import Evaluation, Rate


def rate_cells(evaluation: "Evaluation", measures: Sequence[str]) -> list[str]:
    """Writes the rates of these measures, with intervals."""
    from holdfast.perplexity_texts import perplexity_with_ends

    rates = measured_rates(evaluation)
    texts = {
        name: perplexity_with_ends(rate.value, rate) if name.startswith("perplexity") and rate.value else str(rate)
        for name, rate in rates.items()
    }
    return [texts.get(name, "not measured") for name in measures]


def rate_lines(name: str, rate: "Rate | None") -> tuple[str, ...]:
    """Writes a rate in the lines of a narrow cell: the rate with its n, the interval, and the number of unscored."""
    from holdfast.report.words import shown_numbers

    if rate is None or rate.value is None:
        return ("not measured",)
    value, *ends = shown_numbers(name, rate)
    lines = (f"{value} n={rate.n}", f"[{', '.join(ends) or 'no interval'}]")
    return (*lines, f"{rate.unscored} unscored") if rate.unscored else lines


def range_cells(draws: "Sequence[Evaluation]", measures: Sequence[str]) -> list[str]:
    """Writes the lowest and highest value of each measure among draws."""
    cells = []
    for name in measures:
        values = [rate.value for draw in draws if (rate := measured_rates(draw).get(name)) and rate.value is not None]
        cells.append(f"{min(values):.2f} to {max(values):.2f}" if values else "not measured")
    return cells
