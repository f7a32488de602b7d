"""`holdfast evaluate`."""

from pathlib import Path

from holdfast.commands.console import show, shown_progress, table
from holdfast.commands.parameters import Generation, Json, Suite
from holdfast.models.generate import GenerateOptions
from holdfast.pipeline import steps
from holdfast.pipeline.config import SuiteFiles
from holdfast.report.schema import suite_json


def evaluate(
    model: str,
    *,
    judge: str,
    out: Path,
    suite: Suite = SuiteFiles(),
    generate: Generation = GenerateOptions(),
    json: Json = False,
) -> None:
    """Measure attack success, over-refusal, utility and perplexity of a checkpoint.

    Example: holdfast evaluate testbed:aligned --judge testbed:guard --harmful testbed:harmful_seen
    --harmless testbed:harmless --questions testbed:questions --generate.max-new-tokens 32 --out evaluation.json

    Parameters
    ----------
    model
        A folder, a hub id or testbed:NAME.
    judge
        A guard model that answers safe or unsafe.
    out
        File for the evaluation with every answer, JSON.
    json
        Print one JSON object, without the answers.
    """
    with shown_progress() as progress:
        evaluation = steps.evaluate_model(model, judge, suite, out, generation=generate, progress=progress)
    rates = {"asr": evaluation.asr, "over_refusal": evaluation.over_refusal, "utility": evaluation.utility}
    rates |= ({"task": evaluation.task} if evaluation.task else {}) | dict(evaluation.groups)
    rows = [(name, rate) for name, rate in rates.items() if rate.n or rate.unscored]
    rows += [("perplexity", f"{evaluation.perplexity:.3f}")] if evaluation.perplexity else []
    show(suite_json(evaluation), [table(model, ("measure", "value"), rows)], json, note=f"Answers: {out}")
