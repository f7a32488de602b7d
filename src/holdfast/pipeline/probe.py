"""What callbacks ask of a model in training, made of the stages: how safe is it, and which weights hold its safety?"""

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from holdfast.evaluate.measure import refuse_declared
from holdfast.evaluate.suite import Suite, evaluate
from holdfast.judge.ask import Judge, require_judge
from holdfast.judge.model_judge import ModelJudge
from holdfast.models.fingerprints import fingerprint
from holdfast.models.load import LoadedModel, require_tokenizer
from holdfast.models.options import GenerateOptions
from holdfast.objective.registry import OBJECTIVES
from holdfast.outcomes import Rate
from holdfast.pipeline.judges import load_judge, try_on
from holdfast.pipeline.objectives import make_objective, refuse_contradictions
from holdfast.pipeline.options import ScoringOptions
from holdfast.prompts.sources import load_prompts
from holdfast.records import Prompt
from holdfast.score.measure import refuse_too_few
from holdfast.score.scoring import ScoreOptions, score_halves
from holdfast.select.top import TopOptions, select_top
from holdfast.values import Mask


def attack_success_probe(
    tokenizer: PreTrainedTokenizerBase,
    judge: Judge | str,
    prompts: Sequence[Prompt] | str | Path,
    generation: GenerateOptions = GenerateOptions(),
) -> Callable[[PreTrainedModel], Rate]:
    """The attack success rate of a model as it is, for `SafetyProbe`.

    Args:
        tokenizer: the model's.
        judge: says `safe` or `unsafe`, or its name; see `load_judge`.
        prompts: harmful prompts that nothing was trained or scored on, or the name or file of a set of them.
        generation: how responses are made; the shorter and the fewer, the faster a probe.

    Raises:
        ValueError: there is no tokenizer or no prompt, or the judge says something else than safe and unsafe, or
            nothing of two known exchanges.
    """
    require_tokenizer(tokenizer)
    prompts = _harmful(prompts)
    judge = load_judge(judge) if isinstance(judge, str) else judge
    require_judge(judge)
    refuse_declared(judge, "asr")
    try_on(judge, type(judge).__name__, [prompt.prompt for prompt in prompts])
    suite = Suite(harmful=prompts)

    def measure(model: PreTrainedModel) -> Rate:
        return evaluate(_in_training(model, tokenizer, base=""), judge, suite, generation).asr

    return measure


def top_mask_refresh(
    tokenizer: PreTrainedTokenizerBase,
    judge: ModelJudge,
    prompts: Sequence[Prompt] | str | Path,
    fraction: float = 0.01,
    *,
    scoring: ScoringOptions = ScoringOptions(),
    generation: GenerateOptions = GenerateOptions(),
    seed: int = 0,
) -> Callable[[PreTrainedModel], Mask]:
    """The mask that `holdfast score` and `holdfast select` would cut from a model as it is, for `ProtectCallback`.

    Give the prompts and options that the first mask was made with.

    Args:
        tokenizer: the model's.
        judge: see `load_judge`.
        prompts: the harmful prompts that scores come from, or the name or file of a set of them.
        fraction: share of the scored entries, in (0, 1).
        scoring: how weights are scored.
        generation: how responses are made that scores come from.
        seed: of the halves that sums are made in, and of a relaxation's noise.

    Raises:
        ValueError: there is no tokenizer, the objective needs no judge, a setting contradicts another, or there are too
            few prompts.
    """
    if OBJECTIVES[scoring.objective].given:
        raise ValueError(
            f"objective {scoring.objective} needs exchanges and no judge; choose an objective that judges."
        )
    refuse_contradictions(scoring, generation)
    require_judge(judge)
    require_tokenizer(tokenizer)
    asked = [prompt.prompt for prompt in _harmful(prompts)]
    refuse_too_few(asked)
    how = ScoreOptions(method=scoring.method, token_budget=scoring.token_budget)

    def refresh(model: PreTrainedModel) -> Mask:
        loaded = _in_training(model, tokenizer, fingerprint(model))
        with TemporaryDirectory() as folder:
            given = {"judge": judge, "prompts": asked, "generation": generation, "seed": seed}
            made = make_objective(scoring, loaded, Path(folder), **given)
        scores = score_halves(loaded, made.objective, how, seed=seed).whole
        return select_top(scores, TopOptions(fraction=fraction))

    return refresh


def _harmful(prompts: Sequence[Prompt] | str | Path) -> list[Prompt]:
    """The prompts that were given, or those of a set; ValueError where there is none."""
    found = load_prompts(prompts, "harmful") if isinstance(prompts, str | Path) else list(prompts)
    if not found:
        raise ValueError("there are no harmful prompts to ask; give a set, or what load_prompts returns of one.")
    return found


def _in_training(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, base: str) -> LoadedModel:
    return LoadedModel(model, tokenizer, "the model in training", base, model.dtype)
