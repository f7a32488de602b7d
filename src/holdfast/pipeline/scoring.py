"""Scores a model on files. It keeps its progress, so that an interrupted scoring resumes and ends with the same bits.

During scoring the folder OUT.unfinished holds the responses as they come and the sums as they grow.
"""

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from holdfast.arguments import checked_call
from holdfast.artifacts import save_json, save_scores
from holdfast.distributed import first, gathered, world_size
from holdfast.models.load import LoadedModel, load_model
from holdfast.models.options import GenerateOptions
from holdfast.objective.completions import Objective
from holdfast.objective.registry import names
from holdfast.outcomes import Stability
from holdfast.pipeline.layerwise import score_by_layer
from holdfast.pipeline.neuron_scoring import score_neurons_to_files
from holdfast.pipeline.objectives import refuse_other_unit
from holdfast.pipeline.options import JudgeOptions, NeuronOptions, ScoringOptions
from holdfast.pipeline.outputs import unfinished
from holdfast.pipeline.scoring_files import convergence_of, files_of, remove_beside, responses_of, save_responses
from holdfast.pipeline.scoring_sources import ComparedPrompts, GivenExchanges, JudgedPrompts, Source, read_source
from holdfast.pipeline.scoring_spec import Scored, ScoringSpec, require_spec
from holdfast.progress import Progress, silent, step
from holdfast.score.convergence import growing_halves
from holdfast.score.scoring import HalvedScores, ScoreOptions, score_halves
from holdfast.select.stability import stability
from holdfast.spelling import joined
from holdfast.values import Scores, ScoresShard

REFUSAL_OPTIONS = ScoringOptions(objective="refusal_likelihood")


@checked_call
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
    overwrite: bool = False,
    progress: Progress = silent,
) -> Scores:
    """Scores every weight by the judged safety of the model's own responses, as `holdfast score` does with a judge.

    The scores are written to `out`, and beside it those of two halves of the prompts, and the responses.

    Example:
        >>> prompts = "testbed:harmful_calibration#first=8"
        >>> esi = score_safety("testbed:aligned", "testbed:guard", prompts, "esi.safetensors")

    Args:
        model: the model: a folder, a hub id or testbed:NAME.
        judge: the judge: a guard model or a classifier by its folder or hub id, testbed:guard, or api:MODEL.
        prompts: the harmful prompts: a file, the name of a public set, or testbed:NAME.
        out: the file of the scores. One that exists is refused, unless `overwrite` is True.
        options: objective, method, and memory of the scoring.
        judging: options of the judge.
        generation: options of generation for the responses.
        seed: seed of the split into halves, and of noise.
        overwrite: True replaces existing scores, and the files beside them, once the new scores are there.
        progress: called after every prompt.

    Raises:
        ValueError: an input is missing or wrong, options contradict each other, or the file exists.
    """
    spec = ScoringSpec(
        model=model,
        judge=judge,
        prompts=prompts,
        out=Path(out) if isinstance(out, str) else out,
        options=options,
        judging=judging,
        generation=generation,
        seed=seed,
        overwrite=overwrite,
    )
    return score_model(spec, progress).scores


@checked_call
def score_likelihood(
    model: str,
    exchanges: str,
    out: str | Path,
    *,
    options: ScoringOptions = REFUSAL_OPTIONS,
    seed: int = 0,
    overwrite: bool = False,
    progress: Progress = silent,
) -> Scores:
    """Writes scores to `out`: the effect of every weight on the likelihood of given responses.

    By default the responses are refusals, and the score is the effect on the likelihood of refusing. For right answers
    give `options=ScoringOptions(objective="utility")`, which scores utility importance. The file records the objective.

    Example:
        >>> scores = score_likelihood("testbed:aligned", "testbed:refusals#first=8", "scores.safetensors")

    Args:
        model: the model: a folder, a hub id or testbed:NAME.
        exchanges: harmful prompts with refusals, or questions with right answers: a file or a built-in set.
        out: the file of the scores. One that exists is refused, unless `overwrite` is True.
        options: objective, method, and memory of the scoring.
        seed: seed of the split into halves, and of noise.
        overwrite: True replaces existing scores, and the files beside them, once the new scores are there.
        progress: called after every prompt.

    Raises:
        ValueError: an input is missing or wrong, or the file exists. Or the objective is refusal_likelihood, and fewer
            than half of the responses are refusals, or it is utility, and more than half are.
    """
    out = Path(out) if isinstance(out, str) else out
    spec = ScoringSpec(model=model, prompts=exchanges, out=out, options=options, seed=seed, overwrite=overwrite)
    if isinstance(options, ScoringOptions) and not spec.objective.given:
        likelihoods = joined(names(lambda record: record.given))
        raise ValueError(
            f"objective {options.objective} is not the likelihood of given responses; choose {likelihoods}, or score "
            "with a judge."
        )
    return score_model(spec, progress).scores


@checked_call
def score_neurons(
    model: str,
    exchanges: str,
    out: str | Path,
    *,
    method: str = "integrated_gradients",
    against: str | None = None,
    seed: int = 0,
    overwrite: bool = False,
    progress: Progress = silent,
) -> Scores:
    """Writes scores of neurons to `out`: the effect of every MLP neuron on the likelihood of given refusals.

    Example:
        >>> scores = score_neurons("testbed:aligned", "testbed:refusals#first=8", "neurons.safetensors")

    Args:
        model: folder or hub id.
        exchanges: harmful prompts with refusals, a file or a built-in set.
        out: file for the scores: one entry a neuron, by the name of its down_proj with '@input'.
        method: integrated_gradients, alpha_weighted, gradient_times_activation, contrast or probe.
        against: harmless prompts, which contrast and probe compare with.
        seed: seed of the split into halves.
        overwrite: True replaces existing scores, and the files beside them, once the new scores are there.
        progress: called with a label, the steps done and all steps.

    Raises:
        ValueError: an input is missing or wrong, or fewer than half of the responses are refusals.
    """
    refuse_other_unit(method, "neuron")  # before ScoringOptions, which would also name the methods of weights
    out = Path(out) if isinstance(out, str) else out
    options = ScoringOptions(objective="refusal_likelihood", method=method)
    neurons = NeuronOptions(unit="neuron", against=against)
    spec = ScoringSpec(
        model=model, prompts=exchanges, out=out, options=options, neurons=neurons, seed=seed, overwrite=overwrite
    )
    return score_model(spec, progress).scores


def score_model(spec: ScoringSpec, progress: Progress = silent) -> Scored:
    """Writes the scores or masks of a specification, with those of two halves of the prompts.

    Raises:
        ValueError: a setting contradicts another, a result exists already, the judge can't be used, or the prompts are
            too few or of another kind.
    """
    source = read_source(require_spec(spec), progress)
    if not spec.by_neuron and not spec.layers.layer_wise:
        return _score_whole(source, progress)
    if spec.by_neuron:
        assert isinstance(source, GivenExchanges | JudgedPrompts | ComparedPrompts), "neurons are scored on prompts"
        return score_neurons_to_files(source, progress)
    assert isinstance(source, GivenExchanges | JudgedPrompts), "formulas without an objective are refused here"
    return score_by_layer(source, progress)


def _score_whole(source: Source, progress: Progress) -> Scored:
    """Scores with the whole model at once, or with a part of it in each process."""
    spec = source.spec
    loaded = load_model(spec.model, sharded=spec.options.shard, progress=progress)
    settings = {"number of processes": world_size(), **spec.settings(loaded), **source.settings}
    score_options = ScoreOptions(**spec.options.model_dump(include=set(ScoreOptions.model_fields)))
    with unfinished(spec.out, settings) as folder:
        made = source.make(loaded, folder, progress)
        beside = source.beside(made.responses)
        halved = score_halves(
            loaded, made.objective, score_options, progress, seed=spec.seed, keep=folder, beside=beside
        )
        if spec.overwrite:
            first(lambda: remove_beside(spec.out))
        if made.responses:
            first(lambda: save_responses(responses_of(spec.out), made.responses))
        if spec.options.convergence:
            curve = converge(loaded, made.objective, score_options, spec.seed, progress)
            content = {"points": [asdict(point) for point in curve], "made_by": halved.whole.made_by}
            first(lambda: save_json(convergence_of(spec.out), content))
        with step(progress, "saving scores"):
            _save(halved, spec.out)
    return Scored(halved.whole, _largest(halved.whole))


def _save(halved: HalvedScores, out: Path) -> None:
    parts = (halved.whole, halved.first, halved.second)
    for path, scores in reversed(list(zip(files_of(out), parts, strict=True))):
        # The file of all prompts comes last: if it exists, all files do.
        if isinstance(scores, ScoresShard):
            save_scores(path, scores)
        else:
            first(partial(save_scores, path, scores))


def _largest(scores: Scores) -> dict[str, float]:
    """Returns the largest score of every parameter, over the parts that several processes may hold."""
    parts = gathered({name: float(tensor.max()) for name, tensor in scores.entries.items() if tensor.numel()})
    return {name: max(part.get(name, 0.0) for part in parts) for name in scores.entries}


@dataclass(frozen=True, kw_only=True)
class CurvePoint(Stability):
    """Agreement of halves of one size: of their top 1% and of their whole rankings."""

    num_prompts: int
    """Number of prompts in each half."""


def converge(
    loaded: LoadedModel, objective: Objective, options: ScoreOptions, seed: int = 0, progress: Progress = silent
) -> list[CurvePoint]:
    """Returns the curve of agreement over the number of prompts."""

    def report(label: str, done: int, total: int) -> None:
        progress(f"convergence: {label}", done, total)

    halves = growing_halves(loaded, objective, options, report, seed=seed)
    return [
        CurvePoint(**asdict(stability(grown.first, grown.second)), num_prompts=grown.num_prompts) for grown in halves
    ]
