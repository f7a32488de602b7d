"""Compares scores and selectors at one budget, under one evaluation: which finds the weights that safety depends on?

A contestant is a method, an objective and a selector. One of the three varies at a time, the other two are the first
of their lists: all methods come first, then the further objectives, then the further selectors. Scores of neurons come
last, and their masks hold as many weights as the others. Each row of the table reports:

- the time of scoring
- how well the scores predict the effect of noise on groups of weights
- the agreement between scores from two halves of the prompts
- the agreement with scores under other seeds, and with the first contestant
- the effect of noise on the selection on safety and utility, at every budget

The folder holds settings.json, scores/CONTESTANT/ with masks and evaluations, groups.json, bakeoff.json and
bakeoff.html. Existing files are not made again.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from holdfast.arms import SAFETY_ONLY
from holdfast.artifacts import load_json, load_mask, load_scores, save_json, save_text
from holdfast.evaluate.expected_safety import ExpectedSafety
from holdfast.evaluate.pooled import pool_evaluations
from holdfast.json_files import JsonObject
from holdfast.models.load import LoadedModel, load_model
from holdfast.objective.registry import DEFAULT, OBJECTIVES, takes_gradient
from holdfast.pipeline import faithfulness, scoring, suites, verifying
from holdfast.pipeline.bakeoff_config import BakeoffConfig
from holdfast.pipeline.bakeoff_neurons import OBJECTIVE as NEURON_OBJECTIVE
from holdfast.pipeline.bakeoff_neurons import (
    neuron_contestants,
    neuron_fraction,
    of_neurons,
    refuse_unmeasurable,
    select_neurons,
)
from holdfast.pipeline.inputs import file_hash, suite_hashes
from holdfast.pipeline.judges import Judge, differentiable, load_judge, require_usable, try_on
from holdfast.pipeline.masks import select_as_shared
from holdfast.pipeline.objectives import refuse_contradictions
from holdfast.pipeline.options import ScoringOptions
from holdfast.pipeline.outputs import claimed, refuse_unclaimable
from holdfast.pipeline.rendering import rendering_of
from holdfast.pipeline.scoring_files import files_of, responses_of
from holdfast.pipeline.scoring_spec import ScoringSpec
from holdfast.progress import Progress, silent, steps_of
from holdfast.prompts.sources import load_prompts
from holdfast.ranks import spearman_interval
from holdfast.report.bakeoff import read_bakeoff, render_bakeoff
from holdfast.report.schema import rate_json
from holdfast.score.registry import SCORES
from holdfast.select.algebra import random_iou
from holdfast.select.jackknife import iou_interval
from holdfast.select.registry import SELECTORS, find_selector
from holdfast.select.stability import stability
from holdfast.values import Mask, Scores

MASK = "mask.safetensors"


@dataclass(frozen=True)
class Contestant:
    """A combination of method, objective and selector that finds weights."""

    method: str
    objective: str | None
    """None for a method that uses none."""
    selector: str
    of_neurons: bool = False
    """True where neurons are scored and selected in place of weights."""

    @property
    def scores_name(self) -> str:
        """Folder of the scores, which selectors share."""
        return "-".join(filter(None, ("neurons" if self.of_neurons else "", self.method, self.objective)))

    @property
    def name(self) -> str:
        """Name in the table."""
        objective = self.objective and self.objective.replace("_", " ")
        method = f"{self.method} of neurons" if self.of_neurons else self.method
        return ", ".join(filter(None, (method, objective, self.selector.replace("_", "-"))))


def contestants(config: BakeoffConfig) -> list[Contestant]:
    """Lists the contestants in the order of the table, the reference first."""
    selector, *further = config.selectors
    scored = config.scored
    return [
        *(Contestant(*each, selector) for each in scored),
        *(Contestant(*scored[0], each) for each in further),
        *(Contestant(method, NEURON_OBJECTIVE, each, True) for method, each in neuron_contestants(config.neurons)),
    ]


def bakeoff(config: BakeoffConfig, out: Path, progress: Progress = silent) -> JsonObject:
    """Runs the steps that are not done yet, and returns the table.

    Raises:
        ValueError: an input is missing or wrong, a name is unknown, calibration and evaluation share prompts, or the
            folder holds another bakeoff.
    """
    refuse_unknown(config)
    refuse_unclaimable(out)
    require_usable(config.judging, config.judge)
    calibration = config.calibration
    overlap = suites.refuse_overlap(_calibrating(config), config.suite, calibration.harmful)
    loaded, judge = load_model(config.model), load_judge(config.judge, config.judging)
    for _, objective in config.scored:
        if objective is not None and takes_gradient(OBJECTIVES[objective]):
            differentiable(judge, objective)
    try_on(judge, config.judge, [prompt.prompt for prompt in suites.load_suite(config.suite).harmful])
    with claimed(out, {**config.model_dump(mode="json"), "inputs": input_hashes(config, loaded, judge)}):
        groups = faithfulness.make_groups(loaded, config.groups)
        measured = measure_groups(config, loaded, judge, groups, out, progress)
        rows: list[JsonObject] = []
        settings = config.model_dump(mode="json")
        result: JsonObject = {"config": settings, "overlap": overlap, "num_groups": len(groups), "rows": rows}
        for contestant in steps_of(progress, "contestants", contestants(config)):
            rows.append(compete(config, contestant, out, groups, measured, progress))
            save_json(out / "bakeoff.json", result)
            save_text(out / "bakeoff.html", render_bakeoff(read_bakeoff(result)))
    return result


def refuse_unknown(config: BakeoffConfig) -> None:
    """Raises ValueError for an unknown name, or an objective that lacks its files or contradicts a setting."""
    for method in config.methods:
        SCORES[method]
    refuse_unmeasurable(config)
    for selector in config.selectors:
        find_selector(selector, ["utility"] if SELECTORS[selector].needs_utility else [])
    for objective in config.objectives:
        refuse_contradictions(ScoringOptions(objective=objective), config.calibrate)
        if OBJECTIVES[objective].given and config.refusals is None:
            raise ValueError(f"objective {objective} needs harmful prompts with safe responses; set `refusals`.")


def _calibrating(config: BakeoffConfig) -> list[str]:
    """Lists the prompt sets from which scores are made."""
    return list(filter(None, (config.calibration.harmful, config.calibration.utility)))


def input_hashes(config: BakeoffConfig, loaded: LoadedModel, judge: Judge) -> dict[str, object]:
    """Hashes all inputs, so that a folder is refused when files of the same names have other contents."""
    files = [*_calibrating(config), *([config.refusals] if config.refusals else [])]
    return {
        "model": loaded.base,
        "rendering": rendering_of(loaded.tokenizer),
        "judge": judge.fingerprint,
        "files": {name: file_hash(name) for name in files},
        "suite": suite_hashes(config.suite),
    }


def compete(
    config: BakeoffConfig,
    contestant: Contestant,
    out: Path,
    groups: Sequence[Mask],
    measured: Sequence[float],
    progress: Progress,
) -> JsonObject:
    """Makes one row of the table."""
    folder = out / "scores" / contestant.scores_name
    score(config, contestant, folder, config.seed, progress)
    whole, first_half, second_half = map(load_scores, files_of(folder / "scores.safetensors"))
    points = [noise_point(config, contestant, folder, fraction, progress) for fraction in config.fractions]
    reference, share = contestants(config)[0], config.fractions[0]
    share = neuron_fraction(config.model, share) if contestant.of_neurons else share
    return {
        "name": contestant.name,
        "method": contestant.method,
        "objective": contestant.objective,
        "selector": contestant.selector,
        "seconds": load_json(folder / "timing.json")["seconds"],
        **predicts(None if contestant.of_neurons else whole, groups, measured),
        "halves": asdict(stability(first_half, second_half, share)) if draws_halves(contestant) else None,
        "seeds": reseeded(config, contestant, whole, out, progress),
        "with_first": overlap(*(load_mask(mask_of(config, each, out)) for each in (contestant, reference))),
        "points": points,
    }


def predicts(scores: Scores | None, groups: Sequence[Mask], measured: Sequence[float]) -> dict[str, float | None]:
    """Measures how well scores of weights predict the effect of noise on groups, with an interval over groups."""
    rho = None if scores is None else faithfulness.faithfulness(scores, groups, measured)
    low, high = (spearman_interval(rho, len(groups)) if rho is not None else None) or (None, None)
    return {"predicts": rho, "predicts_low": low, "predicts_high": high}


def draws_halves(contestant: Contestant) -> bool:
    """True where two halves of the prompts, or of the noise, can differ."""
    return contestant.of_neurons or SCORES[contestant.method].needs != "nothing"


def reseeded(
    config: BakeoffConfig, contestant: Contestant, whole: Scores, out: Path, progress: Progress
) -> list[JsonObject]:
    """Measures how far the scores agree with those of every further seed."""
    named = (contestant.method, contestant.selector, contestant.of_neurons)
    if named != (config.methods[0], config.selectors[0], False):
        return []
    agreements = []
    for seed in config.seeds:
        folder = out / "scores" / f"{contestant.scores_name}-seed_{seed}"
        score(config, contestant, folder, seed, progress)
        again = load_scores(folder / "scores.safetensors")
        agreements.append({"seed": seed, **asdict(stability(whole, again, config.fractions[0]))})
    return agreements


def mask_of(config: BakeoffConfig, contestant: Contestant, out: Path) -> Path:
    """Returns the path of a contestant's mask of the first size."""
    return out / "scores" / contestant.scores_name / contestant.selector / f"{config.fractions[0]:g}" / MASK


def overlap(first: Mask, second: Mask) -> dict[str, float | None]:
    """Returns the IoU of two selections, with its interval over parameters, and that of random selections."""
    low, high = iou_interval(first, second)
    return {"iou": first.iou(second), "random_iou": random_iou(first, second), "iou_low": low, "iou_high": high}


def score(config: BakeoffConfig, contestant: Contestant, folder: Path, seed: int, progress: Progress) -> None:
    """Scores the model for the contestant and saves the time it took. Shared loading is not counted."""
    path = folder / "scores.safetensors"
    made = files_of(path)
    if all(file.is_file() for file in [folder / "timing.json", *made]):
        return
    started = time.monotonic()
    for file in [*made, responses_of(path)]:
        file.unlink(missing_ok=True)  # incomplete: the run was interrupted, or somebody removed a broken file
    scoring.score_model(spec_of(config, contestant, path, seed), progress)
    save_json(folder / "timing.json", {"seconds": round(time.monotonic() - started, 2)})


def spec_of(config: BakeoffConfig, contestant: Contestant, out: Path, seed: int) -> ScoringSpec:
    """Returns the scoring settings of a contestant, with the inputs that its objective needs."""
    options = ScoringOptions(method=contestant.method, objective=contestant.objective or DEFAULT)
    spec = ScoringSpec(model=config.model, prompts=config.calibration.harmful, out=out, options=options, seed=seed)
    if contestant.of_neurons:
        return of_neurons(spec, config, contestant.method)
    if spec.objective.given:
        assert config.refusals is not None
        return replace(spec, prompts=config.refusals)
    if not spec.uses_prompts:
        return spec
    generation = config.calibrate if seed == config.seed else config.calibrate.model_copy(update={"seed": seed})
    return replace(spec, judge=config.judge, judging=config.judging, generation=generation)


def noise_point(
    config: BakeoffConfig, contestant: Contestant, folder: Path, fraction: float, progress: Progress
) -> JsonObject:
    """Measures safety and utility under noise on the contestant's selection of one size."""
    place = folder / contestant.selector / f"{fraction:g}"
    mask = place / MASK
    if not mask.is_file():
        shared = {**config.select.model_dump(), "fraction": fraction, "seed": config.seed}
        scores = folder / "scores.safetensors"
        if contestant.of_neurons:
            select_neurons(config, scores, contestant.selector, mask, shared)
        else:
            utility = utility_scores(config, folder.parent / "utility", progress)
            select_as_shared(scores, contestant.selector, mask, shared=shared, utility=utility)
    spec = verifying.NoiseSpec(
        model=config.model,
        judge=config.judge,
        mask=mask,
        files=config.suite,
        draws=verifying.noise_draws(config.noise_ratio, config.draws, config.seed),
        out=place,
        limit=config.limit,
        judging=config.judging,
        generation=config.generate,
    )
    pooled = pool_evaluations(verifying.verify(spec, progress))
    measure, rate = pooled.safety
    return {"fraction": fraction, measure: rate_json(rate), "utility": rate_json(pooled.utility)}


def utility_scores(config: BakeoffConfig, folder: Path, progress: Progress) -> Path | None:
    """Makes the utility scores once, for the selector that subtracts them. Returns None where they are not needed."""
    path, prompts = folder / "scores.safetensors", config.calibration.utility
    if SAFETY_ONLY not in config.selectors or prompts is None:
        return None
    if not path.is_file():
        options = ScoringOptions(objective="utility")
        scoring.score_likelihood(config.model, prompts, path, options=options, seed=config.seed, progress=progress)
    return path


def measure_groups(
    config: BakeoffConfig,
    loaded: LoadedModel,
    judge: Judge,
    groups: Sequence[Mask],
    out: Path,
    progress: Progress,
) -> list[float]:
    """Measures how far noise on each group of weights moves S. All contestants share the result."""
    path = out / "groups.json"
    if path.is_file():
        return load_json(path)["measured"]
    prompts = [prompt.prompt for prompt in load_prompts(config.calibration.harmful, "harmful")][: config.limit]
    safety = ExpectedSafety(loaded, judge, prompts, config.calibrate, config.branches, progress)
    measured = faithfulness.measure_impact(
        loaded,
        safety,
        groups,
        ratio=config.group_noise_ratio,
        draws=config.group_draws,
        seed=config.seed,
        progress=progress,
    )
    save_json(path, {"measured": measured, "groups": [dict(group.made_by) for group in groups]})
    return measured
