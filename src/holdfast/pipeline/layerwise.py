"""Scoring on files, one layer of the model at a time: scores, or masks that are cut while scores are made.

While it runs the folder OUT.unfinished holds hidden states and gradients between layers, and the scores of the layers
that are done. Scores are written as they come, so one that was stopped goes on with the next layer. Masks are cut from
candidates in memory, so their layers are scored anew, and only the hidden states are still there.
"""

import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Protocol

from holdfast.artifacts import ScoresFile, digest, load_json, save_json, save_mask
from holdfast.distributed import world_size
from holdfast.made_by import prompts_entry
from holdfast.models.layered import LayeredModel, open_layered
from holdfast.models.load import resolve
from holdfast.models.options import GenerateOptions
from holdfast.objective.completions import Objective
from holdfast.objective.response_likelihood import ResponseLikelihood
from holdfast.pipeline.given_exchanges import load_given
from holdfast.pipeline.given_responses import log_given, read_responses
from holdfast.pipeline.inputs import digest_of
from holdfast.pipeline.judges import has_weights, load_judge, reading, refuse_idle, require_usable, try_on
from holdfast.pipeline.objectives import refuse_contradictions, safety_objective
from holdfast.pipeline.options import JudgeOptions, LayerWiseOptions, ScoringOptions, refuse_no_gradient
from holdfast.pipeline.outputs import unfinished
from holdfast.pipeline.rendering import rendering_of
from holdfast.pipeline.scoring import UTILITY_OPTIONS, files_of, judged_beside, refuse_estimator, refuse_outputs
from holdfast.progress import Progress, silent
from holdfast.prompts.sources import load_prompts
from holdfast.score.layer_scores import LayerScores, outline_scores, refuse_other_needs, score_by_layer
from holdfast.score.measure import refuse_too_few
from holdfast.score.scoring import HalvedScores, ScoreOptions
from holdfast.select.algebra import random_iou
from holdfast.select.candidates import Candidates
from holdfast.select.jackknife import iou_interval
from holdfast.select.top import TopOptions
from holdfast.values import Scores


@dataclass(frozen=True, eq=False)
class LayerWiseResult:
    """What was scored, without the scores."""

    outline: Scores
    """Names, shapes and metadata of the scores of all prompts, without values."""
    largest: Mapping[str, float]
    """The largest score of every parameter."""
    agreement: Mapping[str, float | None] | None = None
    """Of masks: the IoU of those of two halves, and that of random ones."""


def score_safety_by_layer(
    model: str,
    judge: str,
    prompts: str,
    out: Path,
    layers: LayerWiseOptions,
    *,
    options: ScoringOptions = ScoringOptions(),
    judging: JudgeOptions = JudgeOptions(),
    seed: int = 0,
    progress: Progress = silent,
) -> LayerWiseResult:
    """Writes scores, or masks, by the judged safety of responses that are given."""
    _refuse(options, layers, out)
    refuse_contradictions(options, GenerateOptions())
    refuse_no_gradient(options.objective, judge)
    refuse_idle(judging, judge)
    if layers.responses is None:
        raise ValueError(
            f"objective {options.objective} takes the model's responses, which it can't make one layer at a time; "
            "give --responses, the OUT_responses.jsonl of a scoring on a host that holds the model."
        )
    records = load_prompts(prompts, "harmful")
    asked = [record.prompt for record in records]
    refuse_too_few(asked)
    given = read_responses(layers.responses)
    require_usable(judging, judge)
    if has_weights(judge):
        resolve(model)  # before the judge is loaded
    guard = load_judge(judge, judging, progress)
    try_on(guard, judge, asked)
    layered = open_layered(model, progress=progress)
    settings = {
        "judge": [guard.fingerprint, reading(judging)],
        "prompts": digest(asked),
        "responses": digest([asdict(response) for response in given]),
    }
    with unfinished(out, settings | _settings(layered, options, layers, seed)) as folder:
        generation = log_given(given, asked, layered.loaded, options.objective, folder)
        objective, responses = safety_objective(
            layered.loaded, guard, asked, options, generation, seed, progress, folder
        )
        beside = judged_beside(options, (judge, guard, judging), prompts_entry(records, prompts), responses)
        return _score_and_save(layered, objective, options, layers, out, folder, seed, progress, beside)


def score_likelihood_by_layer(
    model: str,
    exchanges: str,
    out: Path,
    layers: LayerWiseOptions,
    *,
    options: ScoringOptions = UTILITY_OPTIONS,
    seed: int = 0,
    progress: Progress = silent,
) -> LayerWiseResult:
    """Writes scores, or masks, by the likelihood of given responses."""
    refuse_estimator(options)
    _refuse(options, layers, out)
    if layers.responses is not None:
        raise ValueError(f"objective {options.objective} has its responses in --prompts; leave --responses out.")
    given = load_given(exchanges, options)
    layered = open_layered(model, progress=progress)
    settings = {"exchanges": digest_of(given)} | _settings(layered, options, layers, seed)
    with unfinished(out, settings) as folder:
        objective = ResponseLikelihood(layered.loaded.tokenizer, given)
        beside = {"objective": options.objective, "prompts": prompts_entry(given, exchanges)}
        return _score_and_save(layered, objective, options, layers, out, folder, seed, progress, beside)


def stability_of(out: Path) -> Path:
    """How far the masks of two halves agree."""
    return out.with_name(f"{out.stem}_stability.json")


def _refuse(options: ScoringOptions, layers: LayerWiseOptions, out: Path) -> None:
    """Raises ValueError when there is a result already, or something is asked for that layer-wise scoring has not."""
    refuse_outputs([*files_of(out), *([stability_of(out)] if layers.keep else [])], out)
    refuse_other_needs(options.method)
    if options.convergence:
        raise ValueError("convergence compares scores of the whole model again and again; leave it or layer-wise out.")
    if options.shard or options.shard_judge or world_size() > 1:
        raise ValueError(
            "layer-wise scoring works in one process; start it without torchrun and accelerate and leave shard and "
            "shard-judge out, or leave layer-wise out."
        )


def _settings(layered: LayeredModel, options: ScoringOptions, layers: LayerWiseOptions, seed: int) -> dict[str, object]:
    """All that hidden states, scores and candidates depend on, whatever the objective."""
    return {
        "model": layered.loaded.base,
        "rendering": rendering_of(layered.loaded.tokenizer),
        "options": options.model_dump(mode="json"),
        "keep": layers.keep,
        "seed": seed,
    }


def _score_and_save(
    layered: LayeredModel,
    objective: Objective,
    options: ScoringOptions,
    layers: LayerWiseOptions,
    out: Path,
    folder: Path,
    seed: int,
    progress: Progress,
    beside: Mapping[str, object],
) -> LayerWiseResult:
    how = ScoreOptions(method=options.method, token_budget=options.token_budget)
    outline = outline_scores(layered, objective, how, seed, beside)
    taker = _Files(outline, folder) if layers.keep is None else _Masks(outline, layers.keep)
    tally = _Tally(folder / "layers.json")
    passes = score_by_layer(
        layered, objective, how, progress, seed=seed, folder=folder / "layers", keep_layers=layers.keep is None
    )
    with closing(passes) as scored:
        for layer in scored:
            taker.take(layer)
            tally.add(layer)
    whole, first, second = (
        replace(part, made_by={**part.made_by, **tally.idle(place)}) for place, part in enumerate(_parts(outline))
    )
    agreement = taker.save(out, (whole, first, second))
    return LayerWiseResult(whole, tally.largest, agreement)


class _Taker(Protocol):
    def take(self, layer: LayerScores) -> None: ...

    def save(self, out: Path, outlines: Sequence[Scores]) -> Mapping[str, float | None] | None: ...


class _Files:
    """Scores go into files, which get their names when all layers are in them."""

    def __init__(self, outline: HalvedScores, folder: Path) -> None:
        paths = [folder / path.name for path in files_of(Path("scores.safetensors"))]
        self._files = [ScoresFile(path, part) for path, part in zip(paths, _parts(outline), strict=True)]

    def take(self, layer: LayerScores) -> None:
        for file, entries in zip(self._files, layer.entries, strict=True):
            for name, scores in entries.items():
                file.write(name, scores)

    def save(self, out: Path, outlines: Sequence[Scores]) -> None:
        for file, outline in zip(self._files, outlines, strict=True):
            file.finish(outline)
        for file, path in reversed(list(zip(self._files, files_of(out), strict=True))):
            os.replace(file.path, path)  # the whole comes last: where it is, all are


class _Masks:
    """Of the scores only candidates are kept, and in the end the masks are cut from them."""

    def __init__(self, outline: HalvedScores, fraction: float) -> None:
        self._candidates = [Candidates(part, TopOptions(fraction=fraction)) for part in _parts(outline)]

    def take(self, layer: LayerScores) -> None:
        for candidates, entries in zip(self._candidates, layer.entries, strict=True):
            for name, scores in entries.items():
                candidates.add(name, scores)

    def save(self, out: Path, outlines: Sequence[Scores]) -> Mapping[str, float | None]:
        masks = [one.select(outline.made_by) for one, outline in zip(self._candidates, outlines, strict=True)]
        low, high = iou_interval(masks[1], masks[2])
        agreement = {"iou": masks[1].iou(masks[2]), "random_iou": random_iou(masks[1], masks[2])}
        agreement |= {"iou_low": low, "iou_high": high}
        save_json(stability_of(out), {**agreement, "made_by": masks[0].made_by})
        for mask, path in reversed(list(zip(masks, files_of(out), strict=True))):
            save_mask(path, mask)
        return agreement


class _Tally:
    """What is told of scores without having them, kept layer by layer."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._layers = load_json(path) if path.is_file() else {}

    def add(self, layer: LayerScores) -> None:
        largest = {name: float(scores.max()) for name, scores in layer.entries[0].items()}
        self._layers[str(layer.number)] = {"largest": largest, "idle": [dict(part) for part in layer.idle]}
        save_json(self._path, self._layers)

    @property
    def largest(self) -> dict[str, float]:
        return {name: value for layer in self._layers.values() for name, value in layer["largest"].items()}

    def idle(self, part: int) -> dict[str, int]:
        """Experts that no token reached, of all layers that have any."""
        counts = [layer["idle"][part] for layer in self._layers.values() if layer["idle"][part]]
        return {name: sum(count[name] for count in counts) for name in (counts[0] if counts else {})}


def _parts(halved: HalvedScores) -> tuple[Scores, Scores, Scores]:
    return halved.whole, halved.first, halved.second
