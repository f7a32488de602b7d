"""`holdfast reproduce`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from holdfast.commands.console import Json, show, shown_progress, table
from holdfast.commands.parameters import Judge, Suite
from holdfast.endings import require_ending
from holdfast.option_groups import METHOD
from holdfast.pipeline.options import SuiteFiles

if TYPE_CHECKING:
    from rich.table import Table

    from holdfast.pipeline.reproducing import Reproduction

TOLERANCE = 1e-6


def reproduce(
    file: Path,
    *,
    model: str | None = None,
    suite: Suite = SuiteFiles(),
    judge: Judge = None,
    refusal_judge: Judge = None,
    tolerance: Annotated[float, Parameter(validator=Number(gte=0, lt=1)), METHOD] = TOLERANCE,
    out: Path | None = None,
    json: Json = False,
) -> None:
    """Make an evaluation again from its reproduce.json, and compare both.

    Example: holdfast reproduce reproduce.json

    `holdfast report EVALUATION --reproduce FILE` writes the file. It names the model, the judges and the prompt sets
    by their places when it was made. Give their places on this machine if they differ. Hashes show whether they are
    the same. Other versions or another device can change responses, and are listed.

    Exit codes: 0: the result is the same within the tolerance. 1: the result differs. 2: any other error, such as an
    input that is not the recorded one.

    Parameters
    ----------
    file
        File that `holdfast report EVALUATION --reproduce FILE` wrote.
    model
        Place of the model on this machine.
    judge
        Place of the judge.
    refusal_judge
        Place of the judge of refusals.
    tolerance
        Largest difference of a share that counts as equal. Perplexity and KL divergence may differ by this share of
        their value. The default allows rounding alone.
    out
        File for the new evaluation. Left out, it is not kept.
    json
        Print the comparison as one JSON object.
    """
    require_ending(out, ".json")
    from holdfast.pipeline.reproducing import load_reproduction, recipe_of
    from holdfast.pipeline.reproducing import reproduce as make_again

    record = load_reproduction(file)
    places = {"model": model, "judge": judge, "refusal_judge": refusal_judge}
    given = {name: value for name, value in suite.model_dump().items() if value}
    recipe = recipe_of(record, {name: place for name, place in places.items() if place}, given)
    with shown_progress() as progress:
        result = make_again(record, recipe, tolerance=tolerance, out=out, progress=progress)
    show({"file": str(file), **result.as_json()}, [_table(result)], json, note=_note(result))
    result.refuse_different()


def _table(result: "Reproduction") -> "Table":
    from holdfast.measure_names import measure_words
    from holdfast.report.words import ordered, rate_words

    measured = {each.name: each for each in result.measures}
    rows = [
        (
            measure_words(name),
            rate_words(each.then) if each.then else "not measured",
            rate_words(each.now) if each.now else "not measured",
            "equal" if each.is_equal else "DIFFERS",
        )
        for name, each in ordered(measured)
    ]
    return table("The recorded and the new evaluation", ("measure", "then", "now", "result"), rows)


def _note(result: "Reproduction") -> str:
    lines = [f"Other: {version}." for version in result.other_versions]
    return "\n".join([*lines, f"{result.verdict[0].upper()}{result.verdict[1:]}."])
