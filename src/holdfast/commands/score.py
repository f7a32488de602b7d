"""`holdfast score`."""

from pathlib import Path
from typing import Literal

from holdfast.commands.console import show, shown_progress, table
from holdfast.commands.parameters import Esi, Generation, Json
from holdfast.models.generate import GenerateOptions
from holdfast.pipeline import steps
from holdfast.score.esi import EsiOptions


def score(
    model: str,
    *,
    prompts: str,
    out: Path,
    judge: str | None = None,
    objective: Literal["safety", "utility"] = "safety",
    options: Esi = EsiOptions(),
    generate: Generation = GenerateOptions(),
    seed: int = 0,
    json: Json = False,
) -> None:
    """Score every weight by its effect on safety (ESI), or on utility.

    Example: holdfast score testbed:aligned --judge testbed:guard --prompts testbed:harmful_calibration
    --out scores.safetensors --generate.max-new-tokens 32

    Parameters
    ----------
    model
        A folder, a hub id or testbed:NAME.
    prompts
        JSONL file or testbed:NAME: harmful prompts for safety, questions with answers for utility.
    out
        File for the scores; those of two halves of the prompts are written beside it.
    judge
        A guard model that answers safe or unsafe; needed for safety.
    objective
        What a weight's effect is measured on.
    seed
        Seed of the halves.
    json
        Print one JSON object.
    """
    with shown_progress() as progress:
        if objective == "utility":
            scores = steps.score_likelihood(model, prompts, out, options=options, seed=seed, progress=progress)
        elif judge is None:
            raise ValueError("scoring safety needs a judge; give --judge, or --objective utility.")
        else:
            scores = steps.score_safety(
                model, judge, prompts, out, options=options, generation=generate, seed=seed, progress=progress
            )
    largest = {name: float(tensor.max()) for name, tensor in scores.entries.items()}
    result = {
        "out": str(out),
        "unit": scores.unit,
        "num_entries": scores.num_entries,
        "num_parameters": scores.num_parameters,
        "base": scores.base,
        "largest": largest,
    }
    top = sorted(largest.items(), key=lambda item: -item[1])[:10]
    rows = [(name, f"{value:.3g}") for name, value in top]
    show(
        result, [table(f"Largest scores ({scores.unit})", ("parameter", "largest"), rows)], json, note=f"Scores: {out}"
    )
