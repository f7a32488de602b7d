"""Makes the measurements for callbacks during training: attack success of the model, and the mask of its safety."""

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypedDict, cast

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from holdfast.arguments import checked_call, require_options, require_seed
from holdfast.evaluate.measure import refuse_declared
from holdfast.evaluate.suite import Suite, evaluate
from holdfast.judge.ask import Judge, require_judge
from holdfast.judge.model_judge import ModelJudge
from holdfast.judge.refusal import RefusalJudge
from holdfast.models.fingerprints import fingerprint
from holdfast.models.load import LoadedModel, require_tokenizer
from holdfast.models.options import GenerateOptions
from holdfast.objective.registry import OBJECTIVES
from holdfast.outcomes import Rate
from holdfast.pipeline.judges import load_judge, try_on
from holdfast.pipeline.objectives import make_objective, refuse_contradictions
from holdfast.pipeline.options import ScoringOptions
from holdfast.prompts.sources import load_exchanges, load_prompts
from holdfast.records import Exchange, Prompt, require_records
from holdfast.score.measure import refuse_too_few
from holdfast.score.scoring import ScoreOptions, score_halves
from holdfast.select.top import TopOptions, select_top
from holdfast.select.universe import as_options
from holdfast.values import Mask


@checked_call
def attack_success_probe(
    tokenizer: PreTrainedTokenizerBase,
    judge: Judge | str,
    prompts: Sequence[Prompt] | str | Path,
    generation: GenerateOptions = GenerateOptions(),
) -> Callable[[PreTrainedModel], Rate]:
    """Makes a function that measures a model's current attack success rate, for `SafetyProbe`.

    Args:
        tokenizer: the model's tokenizer.
        judge: judge that says `safe` or `unsafe`, or its name (see `load_judge`).
        prompts: harmful prompts that were not used in training or scoring, or the name or file of a set of them.
        generation: options of generation. Fewer and shorter responses make a faster probe.

    Raises:
        ValueError: the tokenizer or the prompts are missing, or the judge does not say safe or unsafe, or has no
            verdict on two known exchanges.
    """
    require_tokenizer(tokenizer)
    require_options(generation, GenerateOptions)
    prompts = _harmful(prompts)
    judge = load_judge(judge) if isinstance(judge, str) else judge
    require_judge(judge)
    refuse_declared(judge, "asr")
    try_on(judge, type(judge).__name__, [prompt.prompt for prompt in prompts])
    suite = Suite(harmful=prompts)

    def measure(model: PreTrainedModel) -> Rate:
        return evaluate(_in_training(model, tokenizer, base=""), judge, suite, generation, made_by={}).asr

    return measure


@checked_call
def not_refused_probe(
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Prompt] | str | Path,
    generation: GenerateOptions = GenerateOptions(),
    refusal_judge: Judge = RefusalJudge(),
) -> Callable[[PreTrainedModel], Rate]:
    """Makes a function that measures the share of harmful prompts that a model does not refuse, for `SafetyProbe`.

    It needs no judge. Give `SafetyProbe` the name `not_refused`, and a bound above the share of the start model.

    Args:
        tokenizer: the model's tokenizer.
        prompts: harmful prompts that were not used in training or scoring, or the name or file of a set of them.
        generation: options of generation. Fewer and shorter responses make a faster probe.
        refusal_judge: judge that says refused or complied. By default the refusal rules.

    Raises:
        ValueError: the tokenizer or the prompts are missing.
    """
    require_tokenizer(tokenizer)
    require_options(generation, GenerateOptions)
    suite = Suite(harmful=_harmful(prompts))

    def measure(model: PreTrainedModel) -> Rate:
        loaded = _in_training(model, tokenizer, base="")
        refused = evaluate(loaded, None, suite, generation, refusal_judge=refusal_judge, made_by={}).refusal
        assert refused is not None, "the suite has harmful prompts"
        return refused.complement

    return measure


@checked_call
def top_mask_refresh(
    tokenizer: PreTrainedTokenizerBase,
    judge: ModelJudge | None,
    prompts: Sequence[Prompt] | Sequence[Exchange] | str | Path,
    fraction: float = 0.01,
    *,
    scoring: ScoringOptions = ScoringOptions(),
    generation: GenerateOptions = GenerateOptions(),
    seed: int = 0,
) -> Callable[[PreTrainedModel], Mask]:
    """Makes a function that selects a new mask from the current model, as `holdfast score` and `select` do.

    It is for `ProtectCallback`. Give the prompts and options that the first mask was made with.

    Args:
        tokenizer: the model's tokenizer.
        judge: a judge with a gradient (see `load_judge`). None for `refusal_likelihood`, which uses none.
        prompts: harmful prompts from which scores are made, or the name or file of a set of them. For
            `refusal_likelihood` they come with refusals, as exchanges.
        fraction: share of the scored entries to select, in (0, 1).
        scoring: options of scoring. Without a judge the objective is `refusal_likelihood`.
        generation: options of generation for the responses from which scores are made.
        seed: seed of the split into halves and of a relaxation's noise.

    Raises:
        ValueError: there is no tokenizer, the objective and the judge do not fit, a setting contradicts another, the
            fraction is not in (0, 1), or there are too few prompts.
    """
    require_options(scoring, ScoringOptions)
    require_options(generation, GenerateOptions)
    if judge is None and "objective" not in scoring.model_fields_set:
        scoring = scoring.model_copy(update={"objective": "refusal_likelihood"})
    refuse_contradictions(scoring, generation)
    require_tokenizer(tokenizer)
    require_seed(seed)
    given = _given(scoring.objective, judge, prompts)
    top = as_options(fraction, TopOptions)
    score_options = ScoreOptions(method=scoring.method, token_budget=scoring.token_budget)

    def refresh(model: PreTrainedModel) -> Mask:
        loaded = _in_training(model, tokenizer, fingerprint(model))
        with TemporaryDirectory() as folder:
            made = make_objective(scoring, loaded, Path(folder), generation=generation, seed=seed, **given)
        scores = score_halves(loaded, made.objective, score_options, seed=seed).whole
        return select_top(scores, top)

    return refresh


class _Given(TypedDict, total=False):
    """Arguments of `make_objective` that depend on the objective."""

    judge: ModelJudge
    prompts: list[str]
    exchanges: Sequence[Exchange]


def _given(
    objective: str, judge: ModelJudge | None, prompts: Sequence[Prompt] | Sequence[Exchange] | str | Path
) -> _Given:
    """Returns the judge and the prompts, or the exchanges. Raises ValueError where they do not fit the objective."""
    if OBJECTIVES[objective].given:
        if judge is not None:
            raise ValueError(f"objective {objective} uses no judge; give None, or choose an objective that uses one.")
        is_name = isinstance(prompts, str | Path)
        given = load_exchanges(prompts, responses="refusals") if is_name else prompts
        require_records(f"the exchanges of objective {objective}", given, Exchange)
        exchanges = cast("Sequence[Exchange]", given)
        refuse_too_few([exchange.prompt for exchange in exchanges])
        return {"exchanges": exchanges}
    require_judge(judge)
    texts = [prompt.prompt for prompt in _harmful(cast("Sequence[Prompt] | str | Path", prompts))]
    refuse_too_few(texts)
    return {"judge": cast(ModelJudge, judge), "prompts": texts}


def _harmful(prompts: Sequence[Prompt] | str | Path) -> list[Prompt]:
    """Returns the given prompts, or those of a set. Raises ValueError where there are none."""
    if not isinstance(prompts, str | Path):
        require_records("the harmful prompts", prompts, Prompt)
    harmful = load_prompts(prompts, "harmful") if isinstance(prompts, str | Path) else list(prompts)
    if not harmful:
        raise ValueError("there are no harmful prompts; give a prompt set, or the prompts that load_prompts returns.")
    return harmful


def _in_training(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, base: str) -> LoadedModel:
    return LoadedModel(model, tokenizer, "the model in training", base, model.dtype)
