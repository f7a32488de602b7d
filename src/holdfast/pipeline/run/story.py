"""Builds report.json from the finished pieces of a run. A section appears once its first piece is there."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from holdfast.arms import CONTROLS, SAFETY_ONLY, Arm, Stage, arm_named, arms_of
from holdfast.artifacts import load_evaluation, load_json, load_mask, load_scores
from holdfast.counts import counted
from holdfast.evaluate.paired import change_of_perplexity, count_changes
from holdfast.evaluate.pooled import pool_evaluations
from holdfast.evaluate.response_length import changes_of_length
from holdfast.json_files import JsonObject
from holdfast.judge.options import REFUSAL_RULES
from holdfast.made_by import summary
from holdfast.models.load import load_model
from holdfast.models.sites import list_sites
from holdfast.objective.registry import OBJECTIVES, names
from holdfast.outcomes import Evaluation
from holdfast.pipeline.halved import halves_overlap
from holdfast.pipeline.masks import known_options
from holdfast.pipeline.run.config import RunConfig
from holdfast.pipeline.run.layout import arms_in, masks_of, noise_paths, start_file
from holdfast.pipeline.scoring_files import convergence_of, files_of
from holdfast.report.experts import expert_rows
from holdfast.report.schema import SCHEMA, changed_answers, component_rows, suite_json, verify_section
from holdfast.select.distribution import distribution
from holdfast.select.stability import stability
from holdfast.tensor_files import read_header

EXAMPLES: Mapping[Stage, str] = {"enhance": "top", "adapt": "plain"}
"""Arm of each stage whose changed answers the page shows."""
NUM_EXAMPLES = 10
"""Number of responses that the page shows before and after."""


def tell(config: RunConfig, out: Path) -> JsonObject:
    """Returns the report of the measurements so far."""
    report: JsonObject = {"schema": SCHEMA, "provenance": load_json(out / "manifest.json")}
    report |= {"safety": "not_refused"} if config.judge == REFUSAL_RULES else {}
    sections = {
        "locate": _json(out / "locate" / "section.json"),
        "verify": _verify(config, out),
        "enhance": _enhance(out),
        "adapt": _adapt(out),
    }
    report |= {name: section for name, section in sections.items() if section}
    examples = _examples(out)
    return report | ({"examples": examples} if examples else {})


def locate_section(config: RunConfig, model: str, folder: Path) -> JsonObject:
    """Describes the selected weights of a model by layer and component, from its scores and masks."""
    scores, sites = load_scores(folder / "scores.safetensors"), list_sites(load_model(model).model)
    masks = {name: load_mask(folder / "masks" / f"{name}.safetensors") for name in masks_of(config)}
    _, *halves = files_of(folder / "scores.safetensors")
    first_half, second_half = map(load_scores, halves)
    curve = convergence_of(folder / "scores.safetensors")
    top, safety_only = masks["top"], masks.get(SAFETY_ONLY)
    objective = scores.made_by.get("objective")
    section: JsonObject = {
        "model": model,
        "objective": None if objective is None else str(objective),
        "made_from": summary(scores.made_by) | scored_responses(config, objective),
        "unit": scores.unit,
        "chat_format": str(scores.made_by.get("chat_format", "the model's own template")),
        "fraction": config.select.fraction,
        "num_selected": len(top),
        "num_entries": top.num_entries,
        "num_parameters": top.num_parameters,
        "share_of_all": top.share_of_all,
        "by_component": component_rows(top, scores, sites),
        "by_expert": expert_rows(top, sites),
        "distribution": asdict(distribution(scores, top)),
        "stability": asdict(stability(first_half, second_half, config.select.fraction)),
        "convergence": load_json(curve)["points"] if curve.is_file() else [],
        "random": {"iou_with_top": masks["random"].iou(top)},
    }
    if safety_only is not None:
        section[SAFETY_ONLY] = {
            "num_selected": len(safety_only),
            "by_component": component_rows(safety_only, scores, sites),
            "by_expert": expert_rows(safety_only, sites),
            "iou_with_top": safety_only.iou(top),
            **_stability_of_safety_only(config, folder),
        }
    return section


def _stability_of_safety_only(config: RunConfig, folder: Path) -> JsonObject:
    """Compares the safety-only weights of two halves of the prompts. Empty where their files are too large."""
    given = known_options(SAFETY_ONLY, {**config.select.model_dump(), "seed": config.seed})
    found = halves_overlap(folder / "scores.safetensors", SAFETY_ONLY, given, folder / "utility.safetensors")
    if found is None:
        return {}
    known = asdict(found)
    names = ("iou", "random_iou", "iou_low", "iou_high", "random_iou_per_tensor")
    return {"stability": {"rank_correlation": None, **{name: known[name] for name in names}}}


def scored_responses(config: RunConfig, objective: object) -> dict[str, str]:
    """Says how much of which responses the scores were made from. Empty for an objective that is not known."""
    if not isinstance(objective, str) or objective not in names():
        return {}
    if OBJECTIVES[objective].given:
        return {"responses": "the given ones, whole"}
    tokens = config.calibrate.max_new_tokens
    return {"responses": f"the model's own, up to {counted(tokens, 'token')}"}


def _verify(config: RunConfig, out: Path) -> JsonObject:
    start = _evaluation(start_file(out, "adapt"))
    if start is None:
        return {}
    arms = {}
    for arm in arms_in(config, "verify"):
        points = []
        for ratio in config.verify.ratios:
            paths = noise_paths(config, out, arm.name, ratio)
            if not all(path.is_file() for path in paths):
                break
            points.append(pool_evaluations([load_evaluation(path) for path in paths]))
        arms[arm.name] = points
    return verify_section(config.verify.ratios, start, arms, config.verify.draws) if any(arms.values()) else {}


def _enhance(out: Path) -> JsonObject:
    folder = out / "enhance"
    before = _evaluation(start_file(out, "enhance"))
    if before is None:
        return {}
    section: JsonObject = {"before": suite_json(before), **_json(folder / "top" / "result.json")}
    section |= _file("mask", folder / "locate" / "masks" / "top.safetensors", out)
    patch = folder / "top" / "patch.safetensors"
    section |= {"patch": _patch_size(patch) | _file("file", patch, out)} if patch.is_file() else {}
    arms = arms_of("enhance").values()
    section |= _suites(out, before, [arm for arm in arms if CONTROLS not in arm.path], paired=True)
    controls = _suites(out, before, [arm for arm in arms if CONTROLS in arm.path])
    located = _json(folder / "locate" / "section.json")
    section |= {"locate": located} if located else {}
    return section | ({"controls": controls} if controls else {})


def _adapt(out: Path) -> JsonObject:
    start = _evaluation(start_file(out, "adapt"))
    if start is None:
        return {}
    section: JsonObject = {"start": suite_json(start), **_json(out / "adapt" / "protected" / "result.json")}
    section |= _file("mask", out / "locate" / "masks" / "top.safetensors", out)
    return section | _suites(out, start, list(arms_of("adapt").values()), paired=True)


def _file(key: str, path: Path, out: Path) -> JsonObject:
    """Returns an entry with the path of a file within the run's folder, if the file exists."""
    return {key: path.relative_to(out).as_posix()} if path.is_file() else {}


def _patch_size(path: Path) -> JsonObject:
    """Reads the size of a patch from its header alone: the page is drawn often, and a patch may hold gigabytes."""
    tensors, _ = read_header(path, "patch")
    entries = sum(tensor.num_entries for key, tensor in tensors.items() if key.endswith(":index"))
    size = path.stat().st_size
    return {"bytes": size, "entries": entries, "bytes_per_entry": size / entries if entries else None}


def _suites(out: Path, before: Evaluation, arms: Sequence[Arm], *, paired: bool = False) -> JsonObject:
    """Returns the results of every evaluated arm, compared with its start and, if `paired`, with other arms."""
    others = arms_of(arms[0].stage).values() if paired else ()
    measured = {arm.name: _evaluated(out, arm) for arm in others if arm.is_compared}
    known = {name: other for name, other in measured.items() if other is not None}
    return {
        arm.path[-1]: suite_json(
            evaluation,
            count_changes(before, evaluation),
            {name: count_changes(other, evaluation) for name, other in known.items() if name != arm.name},
            change_of_perplexity(before, evaluation),
            changes_of_length(before, evaluation),
        )
        for arm in arms
        if (evaluation := _evaluated(out, arm)) is not None
    }


def _examples(out: Path) -> list[JsonObject]:
    """Returns the answers that changed most: five each under SET and plain fine-tuning, or ten if only one was run."""
    measured = [
        (stage, start, after)
        for stage, arm in EXAMPLES.items()
        if (start := _evaluation(start_file(out, stage))) and (after := _evaluated(out, arm_named(stage, arm)))
    ]
    limit = NUM_EXAMPLES // max(1, len(measured))
    return [answer for stage, start, after in measured for answer in changed_answers(stage, start, after, limit)]


def _evaluated(out: Path, arm: Arm) -> Evaluation | None:
    return _evaluation(out / arm.stage / arm.name / "evaluation.json")


def _json(path: Path) -> JsonObject:
    return load_json(path) if path.is_file() else {}


def _evaluation(path: Path) -> Evaluation | None:
    return load_evaluation(path) if path.is_file() else None
