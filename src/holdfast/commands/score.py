"""`holdfast score`."""

import shlex
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import RenderableType

from holdfast.allocator import give_back_freed_memory
from holdfast.commands.console import Json, show, shown_progress, table, unless_quiet, warn
from holdfast.commands.layers import OVER_MATRICES, layer_table
from holdfast.commands.once import ExistOk, Once
from holdfast.commands.parameters import Generation, Judge, Judging, LayerWise, Neurons, Scoring, Seed
from holdfast.endings import require_ending
from holdfast.json_files import JsonValue, load_json, record_from
from holdfast.judge.options import REFUSAL_RULES
from holdfast.made_by import summary
from holdfast.models.options import GenerateOptions
from holdfast.objective.registry import OBJECTIVES
from holdfast.pipeline.options import (
    JudgeOptions,
    LayerWiseOptions,
    NeuronOptions,
    ScoringOptions,
    refuse_generating,
    refuse_judging,
    refuse_no_gradient,
    uses_objective,
)
from holdfast.prompts.readable import require_readable
from holdfast.stopping import result_complete

if TYPE_CHECKING:
    from holdfast.pipeline.scoring_spec import Scored, ScoringSpec
    from holdfast.pipeline.showing import LayerMap
    from holdfast.progress import Progress
    from holdfast.values import Scores

AGREEING = 0.5
"""IoU of the two halves' masks below which a note advises more prompts."""
PER_TENSOR = "random IoU, as many in every tensor"
TWO_CONTROLS = (
    "Random masks are drawn from all scored {units}, or with as many {units} in every tensor as the two masks. The "
    "second control is the fairer one where layers differ in density. The interval does not cover another split of the "
    "prompts into halves: --seed 1 makes one."
)
NO_PROMPTS = "Method {} uses no prompts, so there is no agreement of two halves to show, and --prompts changed nothing."


def score(
    model: str,
    *,
    prompts: str,
    out: Path,
    judge: Judge = None,
    options: Scoring = ScoringOptions(),
    layers: LayerWise = LayerWiseOptions(),
    neurons: Neurons = NeuronOptions(),
    judging: Judging = JudgeOptions(),
    generate: Generation = GenerateOptions(),
    seed: Seed = 0,
    exist_ok: ExistOk = False,
    json: Json = False,
) -> None:
    """Score every weight by its effect on safety (ESI), or on utility.

    Example: holdfast score testbed:aligned --objective refusal_likelihood --prompts testbed:refusals
    --out scores.safetensors

    Exit codes: 0: done. 2: an error, in one sentence. 75: a process was lost. 130 or 143: stopped.

    Parameters
    ----------
    model
        A folder, a hub id or testbed:NAME. MODEL#NAME=VALUE sets an argument of its chat template.
    prompts
        Harmful prompts, with responses for refusal_likelihood. For utility: questions with answers. A file (text,
        JSONL, CSV, TSV, Parquet), FILE#prompt=COLUMN, testbed:NAME, or a name of `holdfast prompts list`.
    out
        File for the scores (safetensors). Beside it go the responses, and scores of two halves of the prompts.
    judge
        Judge of the model's responses. The objectives refusal_likelihood and utility read given responses and take no
        judge.

        - FOLDER, hub id or testbed:NAME: a guard model or classifier whose verdicts are safe and unsafe
        - api:MODEL: a model asked over the network, for policy_gradient
        - refusal: built-in rules that reward refusals, the default of policy_gradient
    seed
        Seed of the two halves of the prompts, and of noise.
    json
        Print one JSON object in place of tables.
    """
    require_ending(out, ".safetensors")
    once = Once(exist_ok, "score", out, out, locals())
    if once.says_done(json):
        return
    judge = judge if neurons.compares(options) else _usual_judge(options, judge)
    _require_given(options, neurons, judge, judging, generate)
    _require_prompts(prompts, options, neurons)
    with shown_progress() as progress:
        from holdfast.pipeline.scoring import score_model
        from holdfast.pipeline.scoring_spec import ScoringSpec

        spec = ScoringSpec(
            model=model, prompts=prompts, out=out, judge=judge, options=options, judging=judging,
            generation=generate, layers=layers, neurons=neurons, seed=seed,
        )  # fmt: skip
        scored = score_model(spec, progress)
        once.record()
        with result_complete(_complete(spec)):
            result, tables = _collected(spec, scored, progress)
            where = _where(out, "mask" if layers.keep else "scores", progress)
    _show_scores(spec, result, tables, where, json)


def _require_given(
    options: ScoringOptions, neurons: NeuronOptions, judge: str | None, judging: JudgeOptions, generate: GenerateOptions
) -> None:
    """Raises ValueError for idle options with an objective of given responses, before prompts are read."""
    objective = options.objective
    if OBJECTIVES[objective].given and not neurons.compares(options) and uses_objective(options):
        refuse_judging(objective, judge, judging)
        refuse_generating(objective, generate)


def _require_prompts(prompts: str, options: ScoringOptions, neurons: NeuronOptions) -> None:
    """Raises ValueError for prompts that cannot be read, where the method reads any."""
    if _reads_prompts(options, neurons):
        given = None if _compares_prompts(options, neurons) else OBJECTIVES[options.objective].given
        require_readable(prompts, responses=given)
        require_readable(neurons.against)


def _compares_prompts(options: ScoringOptions, neurons: NeuronOptions) -> bool:
    """Returns True for activations on two sets of prompts, which need no responses."""
    return neurons.compares(options) and "objective" not in options.model_fields_set


def _reads_prompts(options: ScoringOptions, neurons: NeuronOptions) -> bool:
    """Returns False for a method that reads no prompts, such as magnitude."""
    if neurons.unit == "neuron" or options.method == ScoringOptions().method:
        return True
    from holdfast.score import SCORES  # loads torch, which the default does without

    return options.method not in SCORES or SCORES[options.method].uses_prompts


def _usual_judge(options: ScoringOptions, judge: str | None) -> str | None:
    """Returns the refusal rules where responses are judged and no judge is named.

    Raises:
        ValueError: the objective needs a gradient of the judge, and the judge has none.
    """
    if uses_objective(options, judge) and not OBJECTIVES[options.objective].given:
        judge = judge or REFUSAL_RULES
        refuse_no_gradient(options.objective, judge)
    return judge


def _complete(spec: "ScoringSpec") -> str:
    """Says for a stop during the summary that the files are complete, and how to get the rest."""
    path = shlex.quote(str(spec.out))
    shown = f"`holdfast show {path}` prints the layers"
    if spec.layers.keep or not spec.uses_prompts:
        return f"{spec.out} is complete, and only its summary is missing. {shown}."
    return (
        f"{spec.out} and the scores of both halves beside it are complete, and only their comparison is missing. "
        f"{shown}, and Python's holdfast.stability({str(spec.out)!r}) compares the halves."
    )


def _show_scores(
    spec: "ScoringSpec", result: Mapping[str, object], tables: list[RenderableType], where: "LayerMap", json: bool
) -> None:
    """Prints where the scores lie, and how far two halves of the prompts agree."""
    title = f"{where.title}, {where.note}" if where.note else where.title
    tables = [layer_table(title, where.by_layer, file=spec.out), *tables]
    note = f"{'Mask' if spec.layers.keep else 'Scores'}: {spec.out}"
    explained = [] if spec.uses_prompts else [NO_PROMPTS.format(spec.options.method)]
    units = "neurons" if spec.by_neuron else "weights"
    explained += [TWO_CONTROLS.format(units=units)] if result.get("stability") else []
    explained += _unsteady(result.get("stability"), units)
    note += unless_quiet("".join(f"\n{sentence}" for sentence in explained))
    show({**result, "by_component": where.by_layer.records()}, tables, json, note=note)


def _unsteady(agreement: object, units: str) -> list[str]:
    """Returns a note that other prompts would select other units. Empty where the two halves' masks agree."""
    iou = agreement.get("iou") if isinstance(agreement, Mapping) else None
    if not isinstance(iou, float) or iou >= AGREEING:
        return []
    return [
        f"The halves have an IoU of {iou:.2f}: other prompts select partly other {units}. More prompts steady the mask."
    ]


def _collected(
    spec: "ScoringSpec", scored: "Scored", progress: "Progress"
) -> tuple[dict[str, object], list[RenderableType]]:
    """Collects what the command prints: facts for JSON, and tables of how far two halves of the prompts agree."""
    from holdfast.values import ScoresShard

    result: dict[str, object] = {"out": str(spec.out), "largest": dict(scored.largest), **_summary(scored.scores)}
    if scored.completeness_error is not None:
        result["completeness_error"] = scored.completeness_error
    points = _convergence(spec)
    result |= {"convergence": points} if points else {}
    agreement = scored.agreement
    if agreement is None and spec.uses_prompts and not isinstance(scored.scores, ScoresShard):
        agreement = _agreement(spec.out, progress)
    tables = [*_completeness_table(scored.completeness_error), *_convergence_tables(points)]
    return _with_agreement(result, tables, agreement)


def _convergence(spec: "ScoringSpec") -> JsonValue:
    """Reads the curve of agreement over the number of prompts. None if scoring has not written one for this run."""
    from holdfast.pipeline.scoring_files import convergence_of

    path = convergence_of(spec.out)
    return load_json(path)["points"] if path.is_file() and not spec.layers.layer_wise else None


def _where(out: Path, kind: str, progress: "Progress") -> "LayerMap":
    """Counts the written scores or mask by layer and component. The first of several processes reads the file."""
    from holdfast.distributed import first
    from holdfast.pipeline.showing import read_map

    return first(lambda: read_map(out, kind, progress))


def _agreement(out: Path, progress: "Progress") -> Mapping[str, float | None] | None:
    """Measures the agreement of the two halves' scores. Warns and returns None if the scores have no ranking."""
    from holdfast.distributed import first
    from holdfast.pipeline.scoring_files import halves_stability

    give_back_freed_memory()  # the model's memory, before the files are mapped
    try:
        progress("comparing the halves", 0, 1)
        agreement = asdict(first(lambda: halves_stability(out)))
        progress("comparing the halves", 1, 1)
        return agreement
    except ValueError as error:
        warn(f"the agreement of the two halves' scores is unknown: {error}")
        return None


def _with_agreement(
    result: dict[str, object], tables: list[RenderableType], agreement: Mapping[str, float | None] | None
) -> tuple[dict[str, object], list[RenderableType]]:
    from holdfast.report.schema import with_ends

    if agreement is None:
        return result, tables
    iou = with_ends(agreement["iou"], agreement.get("iou_low"), agreement.get("iou_high"))
    columns, rows = [OVER_MATRICES, "random IoU"], [iou, f"{agreement['random_iou']:.4f}"]
    per_tensor = agreement.get("random_iou_per_tensor")
    if per_tensor is not None:
        columns.append(PER_TENSOR)
        rows.append(f"{per_tensor:.4f}")
    if "rank_correlation" in agreement:
        columns.append("rank correlation")
        rows.append(with_ends(agreement["rank_correlation"], agreement.get("rank_low"), agreement.get("rank_high")))
    agreed = table("How far two halves of the prompts agree", columns, [rows])
    return result | {"stability": dict(agreement)}, [*tables, agreed]


def _summary(scores: "Scores") -> dict[str, object]:
    return {
        "unit": scores.unit,
        "granularity": scores.granularity,
        "num_entries": scores.num_entries,
        "num_parameters": scores.num_parameters,
        "base": scores.base,
        "made_from": summary(scores.made_by),
    }


def _completeness_table(error: float | None) -> list[RenderableType]:
    """Shows how far attributions add up to the difference that they explain. It is empty for other scores."""
    if error is None:
        return []
    return [table("How far attributions add up", ["completeness error"], [[f"{error:.1%} of the differences"]])]


def _convergence_tables(points: JsonValue) -> list[RenderableType]:
    """Makes the table of halves of fewer prompts. The table of the whole halves stands below it."""
    from holdfast.report.records import Point
    from holdfast.report.schema import with_ends

    if points is None:
        return []
    columns = ("prompts in each half", OVER_MATRICES, "random IoU", PER_TENSOR)
    rows = [
        (
            point.num_prompts,
            with_ends(point.iou, point.iou_low, point.iou_high),
            f"{point.random_iou:.4f}",
            "" if point.random_iou_per_tensor is None else f"{point.random_iou_per_tensor:.4f}",
        )
        for point in record_from(tuple[Point, ...], points)[:-1]  # the last is that of the table of the halves
    ]
    return [table("How far smaller halves agree on the top 1%", columns, rows)] if rows else []
