"""`holdfast score`."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from rich.console import RenderableType

from holdfast.allocator import give_back_freed_memory
from holdfast.commands.console import Json, show, shown_progress, table, warn
from holdfast.commands.layers import layer_table
from holdfast.commands.parameters import Generation, Judge, Judging, LayerWise, Scoring, Seed
from holdfast.json_files import load_json
from holdfast.judge.options import REFUSAL_RULES
from holdfast.made_by import summary
from holdfast.models.options import GenerateOptions
from holdfast.pipeline.options import JudgeOptions, LayerWiseOptions, Likelihood, ScoringOptions, refuse_no_gradient

if TYPE_CHECKING:
    from holdfast.pipeline.showing import LayerMap
    from holdfast.progress import Progress
    from holdfast.values import Scores


def score(
    model: str,
    *,
    prompts: str,
    out: Path,
    judge: Judge = None,
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
        A folder, a hub id or testbed:NAME. MODEL#NAME=VALUE sets an argument of its chat template.
    prompts
        Harmful prompts, with responses for refusal_likelihood. For utility: questions with answers. A file (JSONL, CSV,
        TSV, Parquet; FILE#prompt=COLUMN names the column), testbed:NAME, or a name of `holdfast prompts list`.
    out
        File for the scores (safetensors). Scores of two halves of the prompts and the responses go beside it.
    judge
        Judge of the model's responses. Objectives of given responses (refusal_likelihood, utility) take none.

        - FOLDER, hub id or testbed:NAME: a guard model or classifier, which says safe or unsafe
        - api:MODEL: a model asked over the network, for policy_gradient
        - refusal: built-in rules that reward refusals; the default of policy_gradient
    seed
        Seed of everything random: the halves of the prompts, and noise.
    json
        Print one JSON object in place of tables.
    """
    with shown_progress() as progress:
        how: dict[str, Any] = {"options": options, "seed": seed, "progress": progress}
        if options.objective in get_args(Likelihood):
            from holdfast.pipeline.judges import refuse_judging

            refuse_judging(options.objective, judge, judging)
            _refuse_generating(options.objective, generate)
        else:
            refuse_no_gradient(options.objective, judge or REFUSAL_RULES)
            how |= {"judge": judge or REFUSAL_RULES, "judging": judging}
        if layers.layer_wise:
            result, tables = _by_layer(model, prompts, out, layers, generate, how)
        else:
            result, tables = _whole(model, prompts, out, generate, how)
        where = _where(out, "mask" if layers.keep else "scores", progress)
    result |= {"by_component": where.by_layer.records()}
    tables = [layer_table(where.title, where.by_layer), *tables]
    show(result, tables, json, note=f"{'Mask' if layers.keep else 'Scores'}: {out}")


def _whole(
    model: str, prompts: str, out: Path, generate: GenerateOptions, how: dict[str, Any]
) -> tuple[dict[str, object], list[RenderableType]]:
    """Scores with the whole model at once; what is told of them."""
    from holdfast.pipeline import scoring
    from holdfast.values import ScoresShard

    if "judge" in how:
        scores = scoring.score_safety(model, prompts=prompts, out=out, generation=generate, **how)
    else:
        scores = scoring.score_likelihood(model, prompts, out, **how)
    curve = scoring.convergence_of(out)
    points = load_json(curve)["points"] if curve.is_file() else None  # left out where the prompts are too few
    largest = _largest(scores)
    result: dict[str, object] = {"out": str(out), "largest": largest, **_summary(scores)}
    result |= {"convergence": points} if points else {}
    agreement = None if isinstance(scores, ScoresShard) else _agreement(out, how["progress"])
    return _with_agreement(result, _convergence_tables(points), agreement)


def _by_layer(
    model: str, prompts: str, out: Path, layers: LayerWiseOptions, generate: GenerateOptions, how: dict[str, Any]
) -> tuple[dict[str, object], list[RenderableType]]:
    """Scores one layer at a time; what is told of them."""
    from holdfast.pipeline import layerwise

    if generate.model_fields_set:
        raise ValueError("layer-wise scoring makes no responses; leave --generate out, and give --responses.")
    if "judge" in how:
        found = layerwise.score_safety_by_layer(model, prompts=prompts, out=out, layers=layers, **how)
    else:
        found = layerwise.score_likelihood_by_layer(model, prompts, out, layers, **how)
    result: dict[str, object] = {"out": str(out), "largest": dict(found.largest), **_summary(found.outline)}
    return _with_agreement(result, [], found.agreement or _agreement(out, how["progress"]))


def _where(out: Path, kind: str, progress: "Progress") -> "LayerMap":
    """Where what was written lies; the first of several processes reads it."""
    from holdfast.distributed import first
    from holdfast.pipeline.showing import read_map

    return first(lambda: read_map(out, kind, progress))


def _agreement(out: Path, progress: "Progress") -> Mapping[str, float | None] | None:
    """How far the scores of the two halves agree; None, and a warning, where they have no ranking."""
    from holdfast.distributed import first
    from holdfast.pipeline.scoring import halves_stability

    give_back_freed_memory()  # the model's, which is gone, before the files are mapped into memory
    try:
        progress("comparing the halves", 0, 1)
        agreement = asdict(first(lambda: halves_stability(out)))
        progress("comparing the halves", 1, 1)
        return agreement
    except ValueError as error:
        warn(f"how far the scores of the two halves agree is not known: {error}")
        return None


def _with_agreement(
    result: dict[str, object], tables: list[RenderableType], agreement: Mapping[str, float | None] | None
) -> tuple[dict[str, object], list[RenderableType]]:
    from holdfast.report.schema import with_ends

    if agreement is None:
        return result, tables
    columns, rows = ["IoU", "random IoU"], [with_ends(agreement, "iou"), f"{agreement['random_iou']:.4f}"]
    if "rank_correlation" in agreement:
        columns.append("rank correlation")
        rows.append(with_ends(agreement, "rank_correlation", ends="rank"))
    agreed = table("How far two halves of the prompts agree", columns, [rows])
    return result | {"stability": dict(agreement)}, [*tables, agreed]


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


def _convergence_tables(points: list[dict[str, Any]] | None) -> list[RenderableType]:
    from holdfast.report.schema import with_ends

    if points is None:
        return []
    columns = ("prompts in each half", "IoU", "random IoU")
    agreed = [(one["num_prompts"], with_ends(one, "iou"), f"{one['random_iou']:.4f}") for one in points]
    return [table("How far two halves agree on the top 1%", columns, agreed)]
