"""Safety objectives by name: make the responses that each needs, judge them, hand over what is differentiated."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from holdfast.distributed import rank, world_size
from holdfast.evaluate.measure import judges_refusals
from holdfast.judge.ask import ask_judge
from holdfast.judge.degenerate import ONLY_THOUGHTS
from holdfast.judge.model_judge import ModelJudge
from holdfast.models.generate import generate
from holdfast.models.load import LoadedModel
from holdfast.models.options import GenerateOptions
from holdfast.models.response_log import Response, ResponseLog
from holdfast.objective.completions import Objective
from holdfast.objective.control_variate import ControlVariate
from holdfast.objective.judge_gradient import JudgeGradient
from holdfast.objective.policy_gradient import PolicyGradient
from holdfast.objective.relaxation import Relaxation
from holdfast.outcomes import Outcome
from holdfast.pipeline.judges import Judge, differentiable
from holdfast.pipeline.options import ScoringOptions
from holdfast.progress import Progress
from holdfast.score.registry import SCORES
from holdfast.thoughts import without_thoughts

SAMPLES = 4
"""Responses a prompt where the generation options name none: a policy gradient compares them with each other."""
TRIED = 64
"""Responses that a judge is tried on before its gradients are taken for a verdict's."""


def refuse_contradictions(options: ScoringOptions, generation: GenerateOptions) -> None:
    """Raises ValueError when the method is unknown, or a setting that was given is one that the objective cannot have.

    Called before anything is answered. Settings that were left out contradict nothing.
    """
    SCORES[options.method]
    if options.objective == "judge_gradient":
        return
    if options.objective != "policy_gradient" and options.reduction == "mean":
        raise ValueError(f"{options.objective} is a sum over tokens; leave the reduction out, or set it to sum.")
    given = generation.model_fields_set
    if "temperature" in given and generation.temperature != 1:
        raise ValueError(
            f"{options.objective} samples at temperature 1, got temperature={generation.temperature:g}; leave it out."
        )
    if "num_samples" in given and generation.num_samples == 1:
        raise ValueError(
            f"{options.objective} compares responses to the same prompt, got num_samples=1; give 2 or more, or leave "
            f"it out for {SAMPLES}."
        )


def safety_objective(
    loaded: LoadedModel,
    judge: Judge,
    prompts: Sequence[str],
    options: ScoringOptions,
    generation: GenerateOptions,
    seed: int,
    progress: Progress,
    folder: Path,
) -> tuple[Objective, list[Response]]:
    """The objective that the options name, and the responses that it was made from.

    The judge gradient takes responses as the generation options say. The others sample at temperature 1, 4 responses a
    prompt where those leave the number out, and control variate and mix also take one greedy response a prompt.
    Responses are kept in the folder as they come, and those that are there are not generated again. `seed` is that of a
    relaxation's noise.

    Raises:
        ValueError: the model is broken, the judge has no verdict on most of the responses (the first 64 where it is
            its gradients that are wanted), has no gradient where one is taken, or finds all responses to a prompt
            equally safe.
    """
    how = _Asking(loaded, prompts, folder, progress)
    if options.objective == "judge_gradient":
        return _judge_gradient(how, differentiable(judge, options.objective), options, generation, seed)
    samples = generation.num_samples if generation.num_samples > 1 else SAMPLES
    sampling = generation.model_copy(update={"temperature": 1.0, "num_samples": samples})
    if options.objective == "policy_gradient":
        return _policy_gradient(how, judge, options, sampling)
    return _control_variate(how, differentiable(judge, options.objective), options, sampling)


@dataclass(frozen=True)
class _Asking:
    """A model and the prompts that it answers, with the folder that keeps the answers as they come."""

    loaded: LoadedModel
    prompts: Sequence[str]
    folder: Path
    progress: Progress

    def answer(self, options: GenerateOptions, name: str = "responses") -> list[Response]:
        """Responses from the log of that name and, where it ends, from the model."""
        log = ResponseLog(self.folder / (f"{name}_{rank()}.jsonl" if world_size() > 1 else f"{name}.jsonl"))
        responses = generate(self.loaded.model, self.loaded.tokenizer, self.prompts, options, self.progress, log)
        refuse_broken(responses)
        return responses


def _judge_gradient(
    how: _Asking, judge: ModelJudge, options: ScoringOptions, generation: GenerateOptions, seed: int
) -> tuple[Objective, list[Response]]:
    responses = how.answer(generation)
    refuse_unscored(_judged(judge, responses[:TRIED]))
    relaxation = Relaxation(options.relaxation, options.temperature, seed)
    reduction = options.reduction or "mean"
    return JudgeGradient(judge, how.loaded.tokenizer, responses, reduction, relaxation), responses


def _policy_gradient(
    how: _Asking, judge: Judge, options: ScoringOptions, sampling: GenerateOptions
) -> tuple[Objective, list[Response]]:
    responses = how.answer(sampling)
    outcomes = _judged(judge, responses)
    refuse_unscored(outcomes)
    objective = PolicyGradient(responses, outcomes, options.reduction or "sum")
    if not objective.num_unequal:
        good = sum(outcome.verdict in ("safe", "refused") for outcome in outcomes)
        what = "refused" if judges_refusals(judge) else "safe"
        raise ValueError(
            f"the judge finds all responses to the same prompt equally safe ({good} of {len(outcomes)} are {what}), so "
            "a policy gradient has nothing to compare; draw more samples a prompt, or longer ones, or score the "
            "likelihood of given refusals (refusal_likelihood)."
        )
    return objective, responses


def _control_variate(
    how: _Asking, judge: ModelJudge, options: ScoringOptions, sampling: GenerateOptions
) -> tuple[Objective, list[Response]]:
    responses = how.answer(sampling)
    refuse_unscored(_judged(judge, responses[:TRIED]))
    references = how.answer(sampling.model_copy(update={"temperature": 0.0, "num_samples": 1}), "references")
    weight = 1.0 if options.objective == "control_variate" else None
    return ControlVariate(judge, how.loaded.tokenizer, references, responses, weight), [*references, *responses]


def refuse_broken(responses: Sequence[Response]) -> None:
    """Raises ValueError when the model's logits were not finite: nothing that it says can be scored."""
    if broken := [response.prompt for response in responses if response.broken]:
        raise ValueError(
            f"the model's logits are not finite for {len(broken)} of {len(responses)} responses, the first to "
            f"{broken[0][:60]!r}; load it in float32, or mend its weights."
        )


def refuse_unscored(outcomes: Sequence[Outcome]) -> None:
    """Raises ValueError when most responses have no verdict: the gradient of what is not said scores nothing."""
    reasons = [str(outcome.reason) for outcome in outcomes if outcome.verdict is None]
    if 2 * len(reasons) > len(outcomes):
        raise ValueError(
            f"the judge has no verdict on {len(reasons)} of {len(outcomes)} responses ({reasons[0]}); "
            "give a judge that says safe or unsafe of most."
        )


def _judged(judge: Judge, responses: Sequence[Response]) -> list[Outcome]:
    """Verdicts on what responses say; one that is nothing but thoughts has none."""
    spoken = [without_thoughts(one.record) for one in responses]
    outcomes = ask_judge(judge, [one.prompt for one in responses], spoken)
    silent = Outcome.unscored(f"{ONLY_THOUGHTS}: give more tokens, or have the model not think")
    return [
        silent if one.text.strip() and not text else outcome
        for one, text, outcome in zip(responses, spoken, outcomes, strict=True)
    ]
