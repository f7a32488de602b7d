"""`holdfast score`."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from rich.table import Table

from holdfast.commands.console import Json, show, shown_progress, table
from holdfast.commands.parameters import Generation, Judging, LayerWise, Scoring, Seed
from holdfast.json_files import load_json
from holdfast.judge.options import REFUSAL_RULES
from holdfast.made_by import summary
from holdfast.models.options import GenerateOptions
from holdfast.pipeline.config import JudgeOptions, LayerWiseOptions, Likelihood, ScoringOptions

if TYPE_CHECKING:
    from holdfast.values import Scores


def score(
    model: str,
    *,
    prompts: str,
    out: Path,
    judge: str | None = None,
    options: Scoring = ScoringOptions(),
    layers: LayerWise = LayerWiseOptions(),
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
        A folder, a hub id or testbed:NAME; MODEL#NAME=VALUE gives its chat template an argument.
    prompts
        Harmful prompts; with responses for refusal_likelihood; questions with answers for utility. A file (JSONL, CSV,
        TSV, Parquet; FILE#prompt=COLUMN names its columns), testbed:NAME, or a name of `holdfast prompts list`.
    out
        File for the scores; those of two halves of the prompts are written beside it, and the responses they come from.
    judge
        A guard model or classifier that says safe or unsafe. For policy_gradient also api:MODEL, which is asked over
        the network, or `refusal`, which is also meant where none is given: the reward is 1 where the built-in rules say
        that the model's own response refuses. The likelihoods ask none.
    seed
        Seed of the halves, and of a relaxation's noise.
    json
        Print one JSON object.
    """
    with shown_progress() as progress:
        how: dict[str, Any] = {"options": options, "seed": seed, "progress": progress}
        if options.objective in get_args(Likelihood):
            from holdfast.pipeline.judges import refuse_judging

            refuse_judging(options.objective, judge, judging)
            _refuse_generating(options.objective, generate)
        else:
            how |= {"judge": judge or REFUSAL_RULES, "judging": judging}
        if layers.layer_wise:
            result, tables = _by_layer(model, prompts, out, layers, generate, how)
        else:
            result, tables = _whole(model, prompts, out, generate, how)
    show(result, tables, json, note=f"{'Mask' if layers.keep else 'Scores'}: {out}")


def _whole(
    model: str, prompts: str, out: Path, generate: GenerateOptions, how: dict[str, Any]
) -> tuple[dict[str, object], list[Table]]:
    """Scores with the whole model at once; what is told of them."""
    from holdfast.pipeline import scoring

    if "judge" in how:
        scores = scoring.score_safety(model, prompts=prompts, out=out, generation=generate, **how)
    else:
        scores = scoring.score_likelihood(model, prompts, out, **how)
    convergence = how["options"].convergence
    points = load_json(scoring.convergence_of(out))["points"] if convergence else None
    largest = _largest(scores)
    result: dict[str, object] = {"out": str(out), "largest": largest, **_summary(scores)}
    return result | ({"convergence": points} if convergence else {}), _tables(scores.unit, largest, points)


def _by_layer(
    model: str, prompts: str, out: Path, layers: LayerWiseOptions, generate: GenerateOptions, how: dict[str, Any]
) -> tuple[dict[str, object], list[Table]]:
    """Scores one layer at a time; what is told of them."""
    from holdfast.pipeline import layerwise
    from holdfast.report.schema import with_ends

    if generate.model_fields_set:
        raise ValueError("layer-wise scoring makes no responses; leave --generate out, and give --responses.")
    if "judge" in how:
        found = layerwise.score_safety_by_layer(model, prompts=prompts, out=out, layers=layers, **how)
    else:
        found = layerwise.score_likelihood_by_layer(model, prompts, out, layers, **how)
    result: dict[str, object] = {"out": str(out), "largest": dict(found.largest), **_summary(found.outline)}
    tables = _tables(found.outline.unit, found.largest, None)
    if found.agreement is None:
        return result, tables
    rows = [(with_ends(found.agreement, "iou"), f"{found.agreement['random_iou']:.4f}")]
    agreed = table("How far the masks of two halves agree", ("IoU", "random IoU"), rows)
    return result | {"stability": dict(found.agreement)}, [*tables, agreed]


def _refuse_generating(objective: str, generate: GenerateOptions) -> None:
    if generate.model_fields_set:
        raise ValueError(f"objective {objective} scores responses that are given and makes none; leave --generate out.")


def _largest(scores: "Scores") -> dict[str, float]:
    """The largest score of every parameter; several processes may hold parts of it."""
    from holdfast.distributed import gathered

    parts = gathered({name: float(tensor.max()) for name, tensor in scores.entries.items() if tensor.numel()})
    return {name: max(part.get(name, 0.0) for part in parts) for name in scores.entries}


def _summary(scores: "Scores") -> dict[str, object]:
    return {
        "unit": scores.unit,
        "num_entries": scores.num_entries,
        "num_parameters": scores.num_parameters,
        "base": scores.base,
        "made_from": summary(scores.made_by),
    }


def _tables(unit: str, largest: Mapping[str, float], points: list[dict[str, Any]] | None) -> list[Table]:
    top = sorted(largest.items(), key=lambda item: -item[1])[:10]
    rows = [(name, f"{value:.3g}") for name, value in top]
    shown = table(f"Largest scores ({unit})", ("parameter", "largest"), rows)
    if points is None:
        return [shown]
    columns = ("prompts in each half", "IoU", "random IoU")
    from holdfast.report.schema import with_ends

    agreed = [(one["num_prompts"], with_ends(one, "iou"), f"{one['random_iou']:.4f}") for one in points]
    return [shown, table("How far two halves agree on the top 1%", columns, agreed)]
