"""Prints what a model does without a direction or without the units of a mask, beside random ones."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from holdfast.commands.console import show, table, unless_quiet
from holdfast.commands.rates import range_cells, rate_lines
from holdfast.evaluate.measured import measured_rates

if TYPE_CHECKING:
    from holdfast.outcomes import Evaluation
    from holdfast.pipeline.projecting import Projected
    from holdfast.pipeline.zeroing import Zeroed

HOW_TO_READ = (
    "{subject} something beyond chance where its rate lies outside the range of the random {others}. 19 of them or "
    "more (--draws 19) can show an effect at p 0.05. The model was given back as it was, and nothing else was written "
    "than these evaluations."
)


class _Words(NamedTuple):
    """Words for what was left out."""

    key: str
    """Key of its rates in JSON."""
    title: str
    row: str
    note: str


DIRECTION = _Words(
    "projected_out",
    "Rates without a direction of the residual stream",
    "the direction",
    HOW_TO_READ.format(subject="The direction carries", others="directions"),
)
MASK = _Words(
    "zeroed",
    "Rates while the units of a mask are zero",
    "the mask",
    HOW_TO_READ.format(subject="The mask carries", others="masks"),
)


def show_projected(measured: "Projected", out: Path, json: bool) -> None:
    """Prints the rates of the untouched model, without the direction, and without random ones."""
    _show(DIRECTION, (measured.untouched, measured.projected), measured.random, out, json)


def show_zeroed(measured: "Zeroed", out: Path, json: bool) -> None:
    """Prints the rates of the untouched model, with a mask at zero, and with random ones at zero."""
    _show(MASK, (measured.untouched, measured.zeroed), measured.random, out, json)


def _show(
    words: _Words, sides: "tuple[Evaluation, Evaluation]", random: "Sequence[Evaluation]", out: Path, json: bool
) -> None:
    from holdfast.measure_names import measure_words
    from holdfast.report.schema import suite_json

    untouched, changed = sides
    measures = list(measured_rates(untouched))
    of_sides, ranges = [measured_rates(side) for side in sides], range_cells(random, measures)
    rows = [
        (measure_words(name), *(rate_lines(name, of_side.get(name)) for of_side in of_sides), of_random)
        for name, of_random in zip(measures, ranges, strict=True)
    ]
    result = {
        "out": str(out),
        "untouched": suite_json(untouched),
        words.key: suite_json(changed),
        "random": [suite_json(drawn) for drawn in random],
    }
    header = ("measure", "untouched", f"without {words.row}", f"without {len(random)} random ones")
    show(result, [table(words.title, header, rows)], json, note=unless_quiet(words.note))
