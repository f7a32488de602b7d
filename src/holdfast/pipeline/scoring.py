"""Scoring on files: what a long scoring has done so far is kept, and an interrupted one goes on to the same bits.

While it runs the folder OUT.unfinished holds the responses as they come and the sums as they grow.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import get_args

from holdfast.arguments import require_name, require_options
from holdfast.artifacts import digest, load_whole_scores, save_json, save_scores, save_text
from holdfast.distributed import first, world_size
from holdfast.made_by import prompts_entry
from holdfast.models.load import LoadedModel, load_model, refuse_one_place, require_model_name, resolve
from holdfast.models.options import GenerateOptions
from holdfast.models.response_log import Response
from holdfast.objective.completions import Objective
from holdfast.objective.response_likelihood import ResponseLikelihood
from holdfast.pipeline.given_exchanges import load_given
from holdfast.pipeline.inputs import digest_of
from holdfast.pipeline.judges import (
    Judge,
    differentiable,
    has_weights,
    load_judge,
    reading,
    refuse_idle,
    require_judge_name,
    require_usable,
    try_on,
)
from holdfast.pipeline.objectives import refuse_contradictions, safety_objective
from holdfast.pipeline.options import JudgeOptions, Likelihood, ScoringOptions, refuse_no_gradient
from holdfast.pipeline.outputs import refuse_existing, unfinished, unfinished_folder
from holdfast.pipeline.rendering import rendering_of
from holdfast.progress import Progress, silent
from holdfast.prompts.locate import require_set_name
from holdfast.prompts.sources import load_prompts
from holdfast.score.convergence import FEWEST, growing_halves
from holdfast.score.measure import refuse_too_few
from holdfast.score.registry import SCORES
from holdfast.score.scoring import ScoreOptions, score_halves
from holdfast.select.stability import Stability, stability
from holdfast.values import Scores, ScoresShard

HALVES = ("first_half", "second_half")
UTILITY_OPTIONS = ScoringOptions(objective="utility")

logger = logging.getLogger(__name__)


def score_safety(
    model: str,
    judge: str,
    prompts: str,
    out: str | Path,
    *,
    options: ScoringOptions = ScoringOptions(),
    judging: JudgeOptions = JudgeOptions(),
    generation: GenerateOptions = GenerateOptions(),
    seed: int = 0,
    progress: Progress = silent,
) -> Scores:
    """Writes scores to `out`, those of two halves of the prompts beside it, and the responses they come from."""
    _require_names(model, prompts, out)
    require_judge_name(judge)
    for given, kind in ((options, ScoringOptions), (judging, JudgeOptions), (generation, GenerateOptions)):
        require_options(given, kind)
    out = Path(out)
    first(lambda: refuse_outputs([*files_of(out), responses_of(out), convergence_of(out)], out))
    refuse_contradictions(options, generation)
    refuse_no_gradient(options.objective, judge)
    _refuse_unshardable(options)
    _refuse_unshardable_judge(options, judge)
    refuse_idle(judging, judge)
    records = load_prompts(prompts, "harmful")
    asked = [record.prompt for record in records]
    refuse_too_few(asked)
    options = _with_useful_curve(options, asked)
    require_usable(judging, judge)
    if has_weights(judge):
        resolve(model)  # before the judge is loaded
    guard = load_judge(judge, judging, progress, sharded=options.shard_judge)
    if options.objective != "policy_gradient":
        differentiable(guard, options.objective)
    try_on(guard, judge, asked)
    loaded = load_model(model, sharded=options.shard, progress=progress)
    settings = {
        "number of processes": world_size(),
        "model": loaded.base,
        "judge": [guard.fingerprint, reading(judging)],
        "prompts": digest(asked),
        "options": options.model_dump(mode="json"),
        "generation": generation.model_dump(mode="json"),
        "seed": seed,
        "rendering": rendering_of(loaded.tokenizer),
    }
    with unfinished(out, settings) as folder:
        objective, responses = safety_objective(loaded, guard, asked, options, generation, seed, progress, folder)
        beside = judged_beside(options, (judge, guard, judging), prompts_entry(records, prompts), responses)
        return _score_and_save(loaded, objective, options, out, folder, seed, progress, beside, responses)


def score_likelihood(
    model: str,
    exchanges: str,
    out: str | Path,
    *,
    options: ScoringOptions = UTILITY_OPTIONS,
    seed: int = 0,
    progress: Progress = silent,
) -> Scores:
    """Writes scores to `out`: the effect of every weight on the likelihood of responses.

    Of right answers it is utility importance; of refusals, the likelihood of refusing. Which of the two it is, the
    options' objective says, and so does the file.

    Raises:
        ValueError: the objective is refusal_likelihood, and fewer than half of the responses are refusals.
    """
    _require_names(model, exchanges, out)
    require_options(options, ScoringOptions)
    refuse_estimator(options)
    out = Path(out)
    first(lambda: refuse_outputs([*files_of(out), convergence_of(out)], out))
    _refuse_unshardable(options)
    _refuse_unshardable_judge(options, None)
    SCORES[options.method]  # refuses one that is not known
    given = load_given(exchanges, options)
    options = _with_useful_curve(options, [exchange.prompt for exchange in given])
    loaded = load_model(model, sharded=options.shard, progress=progress)
    settings = {
        "number of processes": world_size(),
        "model": loaded.base,
        "exchanges": digest_of(given),
        "options": options.model_dump(mode="json"),
        "seed": seed,
        "rendering": rendering_of(loaded.tokenizer),
    }
    with unfinished(out, settings) as folder:
        objective = ResponseLikelihood(loaded.tokenizer, given)
        beside = {"objective": options.objective, "prompts": prompts_entry(given, exchanges)}
        return _score_and_save(loaded, objective, options, out, folder, seed, progress, beside)


def _require_names(model: object, prompts: object, out: object) -> None:
    """Raises ValueError when a model, a set or a file is given by value: they are kept by name in what is written."""
    require_model_name(model)
    require_set_name(prompts)
    require_name(out, "a file to write the scores to", "give a path such as 'scores.safetensors'")


def _with_useful_curve(options: ScoringOptions, prompts: Sequence[str]) -> ScoringOptions:
    """Leaves convergence out, with a warning, where its one size would be that of the halves that are scored anyway."""
    distinct = len(set(prompts))
    if not options.convergence or distinct >= FEWEST:
        return options
    logger.warning(
        "convergence compares halves of 8, 16, 32 ... prompts and needs %d distinct prompts or more, got %d; it is "
        "left out, and the agreement of the two halves is printed anyway.",
        FEWEST,
        distinct,
    )
    return options.model_copy(update={"convergence": False})


def refuse_estimator(options: ScoringOptions) -> None:
    """Raises ValueError when the options of a scoring by likelihood name an objective that a judge decides."""
    if options.objective not in get_args(Likelihood):
        raise ValueError(
            f"objective {options.objective} is not the likelihood of given responses; choose "
            f"{' or '.join(get_args(Likelihood))}, or score with a judge."
        )


def judged_beside(
    options: ScoringOptions,
    judge: tuple[str, Judge, JudgeOptions],
    prompts: Mapping[str, object],
    responses: Sequence[Response],
) -> dict[str, object]:
    """What the metadata of judged scores say: the objective as it was chosen, judge, prompts and responses."""
    name, loaded, judging = judge
    said = [asdict(response) for response in responses]
    return {
        "objective": options.objective,
        "judge": {"name": name, "fingerprint": loaded.fingerprint, "reading": reading(judging)},
        "prompts": prompts,
        "responses": {
            "count": len(responses),
            "longest": max(len(response.token_ids) for response in responses),
            "sha256": digest(said),
        },
    }


def _refuse_unshardable(options: ScoringOptions) -> None:
    """Raises ValueError when a sharded model has one place to be in, or what needs all scores in one place is asked."""
    refuse_one_place(sharded=options.shard)
    if options.shard and options.convergence:
        raise ValueError(
            "convergence compares whole rankings, and with shard no process has one; leave one of them out."
        )


def _refuse_unshardable_judge(options: ScoringOptions, judge: str | None) -> None:
    """Raises ValueError when the judge is to be sharded, and there is no other process, or no judge's weights here."""
    if not options.shard_judge:
        return
    if judge is None or not has_weights(judge):
        said = f"the judge {judge!r} has none here" if judge else f"objective {options.objective} asks none"
        raise ValueError(f"shard-judge spreads the weights of a judge over processes, and {said}; leave it out.")
    if world_size() == 1:
        raise ValueError(
            "shard-judge spreads the judge over several processes, and there is one; start them with "
            "`torchrun --nproc-per-node N -m holdfast score ...`, or leave it out."
        )


def files_of(out: Path) -> list[Path]:
    """The scores, and those of the halves beside them."""
    return [out, *(out.with_name(f"{out.stem}_{half}.safetensors") for half in HALVES)]


def responses_of(out: Path) -> Path:
    """The responses that scores were made from."""
    return out.with_name(f"{out.stem}_responses.jsonl")


def halves_stability(out: Path) -> Stability:
    """How far the scores of the two halves agree, which lie beside `out`.

    Raises:
        ValueError: a file is missing, or too few scores are above 0 for a ranking.
    """
    _, first_half, second_half = files_of(out)
    return stability(load_whole_scores(first_half), load_whole_scores(second_half))


def convergence_of(out: Path) -> Path:
    """How far halves of fewer prompts agree."""
    return out.with_name(f"{out.stem}_convergence.json")


def remove_rest(out: Path) -> None:
    """Removes what stands beside scores that are gone, but for a scoring that is not finished: it goes on."""
    if not unfinished_folder(out).exists():
        for path in [*files_of(out), responses_of(out), convergence_of(out)]:
            path.unlink(missing_ok=True)


def refuse_outputs(paths: Sequence[Path], out: Path) -> None:
    """Raises ValueError when a result is there already; beside an unfinished scoring, what it wrote may be."""
    for path in [out] if unfinished_folder(out).exists() else paths:
        refuse_existing(path)


def _score_and_save(
    loaded: LoadedModel,
    objective: Objective,
    options: ScoringOptions,
    out: Path,
    folder: Path,
    seed: int,
    progress: Progress,
    beside: Mapping[str, object],
    responses: Sequence[Response] = (),
) -> Scores:
    names = ("method", "token_budget", "sums_on_host")
    how = ScoreOptions(**{name: getattr(options, name) for name in names})
    halved = score_halves(loaded, objective, how, progress, seed=seed, keep=folder, beside=beside)
    if responses:
        first(lambda: _save_responses(responses_of(out), responses))
    if options.convergence:
        curve = converge(loaded, objective, how, seed, progress)
        told = {"points": [asdict(point) for point in curve], "made_by": halved.whole.made_by}
        first(lambda: save_json(convergence_of(out), told))
    parts = (halved.whole, halved.first, halved.second)
    for path, scores in reversed(list(zip(files_of(out), parts, strict=True))):
        # The whole comes last: where it is, all are.
        if isinstance(scores, ScoresShard):
            save_scores(path, scores)
        else:
            first(partial(save_scores, path, scores))
    return halved.whole


@dataclass(frozen=True, kw_only=True)
class CurvePoint(Stability):
    """How far halves of one size agree: their top 1% and their whole rankings."""

    num_prompts: int
    """In each half."""


def converge(
    loaded: LoadedModel, objective: Objective, options: ScoreOptions, seed: int = 0, progress: Progress = silent
) -> list[CurvePoint]:
    """The curve of agreement over the number of prompts."""
    halves = growing_halves(loaded, objective, options, progress, seed=seed)
    return [CurvePoint(**asdict(stability(one.first, one.second)), num_prompts=one.num_prompts) for one in halves]


def _save_responses(path: Path, responses: Sequence[Response]) -> None:
    """Writes one JSON object a response."""
    save_text(path, "".join(json.dumps(asdict(response)) + "\n" for response in responses))
