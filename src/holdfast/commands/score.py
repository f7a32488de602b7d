"""`holdfast score`."""

from pathlib import Path
from typing import get_args

from holdfast.artifacts import load_json
from holdfast.commands.console import show, shown_progress, table
from holdfast.commands.parameters import Generation, Json, Judging, Scoring, Seed
from holdfast.models.generate import GenerateOptions
from holdfast.pipeline import scoring
from holdfast.pipeline.config import JudgeOptions, Likelihood, ScoringOptions


def score(
    model: str,
    *,
    prompts: str,
    out: Path,
    judge: str | None = None,
    options: Scoring = ScoringOptions(),
    judging: Judging = JudgeOptions(),
    generate: Generation = GenerateOptions(),
    seed: Seed = 0,
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
        JSONL file or testbed:NAME: harmful prompts; with responses for refusal_likelihood; questions with answers for
        utility.
    out
        File for the scores; those of two halves of the prompts are written beside it, and the responses they come from.
    judge
        A guard model or classifier that says safe or unsafe; or, for policy_gradient, api:MODEL, which is asked over
        the network. The likelihoods need none.
    seed
        Seed of the halves, and of a relaxation's noise.
    json
        Print one JSON object.
    """
    with shown_progress() as progress:
        if options.objective in get_args(Likelihood):
            scores = scoring.score_likelihood(model, prompts, out, options=options, seed=seed, progress=progress)
        elif judge is None:
            raise ValueError(f"objective {options.objective} needs a judge; give --judge, or another --objective.")
        else:
            scores = scoring.score_safety(
                model,
                judge,
                prompts,
                out,
                options=options,
                judging=judging,
                generation=generate,
                seed=seed,
                progress=progress,
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
    tables = [table(f"Largest scores ({scores.unit})", ("parameter", "largest"), rows)]
    if options.convergence:
        result["convergence"] = points = load_json(scoring.convergence_of(out))["points"]
        columns = ("prompts in each half", "IoU", "random IoU")
        agreed = [(one["num_prompts"], f"{one['iou']:.3f}", f"{one['random_iou']:.4f}") for one in points]
        tables.append(table("How far two halves agree on the top 1%", columns, agreed))
    show(result, tables, json, note=f"Scores: {out}")
