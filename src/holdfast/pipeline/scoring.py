"""Scoring on files: what a long scoring has done so far is kept, and an interrupted one goes on to the same bits.

While it runs there is a folder OUT.unfinished beside the scores-to-be: settings.json, the responses as they come, the
sums as they grow. It goes when the scores are written.
"""

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from holdfast.artifacts import digest, save_scores, save_text
from holdfast.models.generate import GenerateOptions
from holdfast.models.load import LoadedModel, load_model
from holdfast.models.response_log import Response
from holdfast.pipeline.config import ScoringOptions
from holdfast.pipeline.objectives import safety_objective
from holdfast.pipeline.outputs import claim_folder, refuse_existing
from holdfast.pipeline.steps import load_judge
from holdfast.progress import Progress, silent
from holdfast.prompts.sources import load_exchanges, load_prompts
from holdfast.score.objective.completions import Objective
from holdfast.score.objective.response_likelihood import ResponseLikelihood
from holdfast.score.scoring import ScoreOptions, score_halves
from holdfast.values import Scores

HALVES = ("first_half", "second_half")


def score_safety(
    model: str,
    judge: str,
    prompts: str,
    out: Path,
    *,
    options: ScoringOptions = ScoringOptions(),
    generation: GenerateOptions = GenerateOptions(),
    seed: int = 0,
    progress: Progress = silent,
) -> Scores:
    """Writes scores to `out`, those of two halves of the prompts beside it, and the responses they come from."""
    refuse_existing(out)
    loaded, guard = load_model(model), load_judge(judge)
    asked = [prompt.prompt for prompt in load_prompts(prompts)]
    settings = {
        "model": loaded.base,
        "judge": judge,
        "prompts": digest(asked),
        "options": options.model_dump(mode="json"),
        "generation": generation.model_dump(mode="json"),
        "seed": seed,
    }
    with _unfinished(out, settings) as folder:
        objective, responses = safety_objective(loaded, guard, asked, options, generation, seed, progress, folder)
        _save_responses(out.with_name(f"{out.stem}_responses.jsonl"), responses)
        return _score_and_save(loaded, objective, options, out, folder, seed, progress)


def score_likelihood(
    model: str,
    exchanges: str,
    out: Path,
    *,
    options: ScoringOptions = ScoringOptions(),
    seed: int = 0,
    progress: Progress = silent,
) -> Scores:
    """Writes scores to `out`: the effect of every weight on the likelihood of responses.

    On right answers it is utility importance; on refusals, the likelihood of refusing.
    """
    refuse_existing(out)
    loaded = load_model(model)
    given = load_exchanges(exchanges)
    settings = {
        "model": loaded.base,
        "exchanges": digest([asdict(exchange) for exchange in given]),
        "options": options.model_dump(mode="json"),
        "seed": seed,
    }
    with _unfinished(out, settings) as folder:
        objective = ResponseLikelihood(loaded.tokenizer, given)
        return _score_and_save(loaded, objective, options, out, folder, seed, progress)


@contextmanager
def _unfinished(out: Path, settings: dict[str, object]) -> Iterator[Path]:
    """The folder of work in progress; it stays when the work does not end, and is refused to other settings."""
    folder = out.with_name(f"{out.name}.unfinished")
    claim_folder(folder, settings)
    yield folder
    shutil.rmtree(folder)


def _score_and_save(
    loaded: LoadedModel,
    objective: Objective,
    options: ScoringOptions,
    out: Path,
    folder: Path,
    seed: int,
    progress: Progress,
) -> Scores:
    how = ScoreOptions(method=options.method, token_budget=options.token_budget)
    halved = score_halves(loaded, objective, how, progress, seed=seed, keep=folder)
    for name, half in zip(HALVES, (halved.first, halved.second), strict=True):
        save_scores(out.with_name(f"{out.stem}_{name}.safetensors"), half)
    save_scores(out, halved.whole)
    return halved.whole


def _save_responses(path: Path, responses: Sequence[Response]) -> None:
    """Writes one JSON object a response."""
    save_text(path, "".join(json.dumps(asdict(response)) + "\n" for response in responses))
