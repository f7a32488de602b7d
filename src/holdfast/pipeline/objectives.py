"""Safety objectives by name: make the responses that each needs, judge them, hand over what is differentiated."""

from collections.abc import Sequence
from pathlib import Path

from holdfast.judge.model_judge import ModelJudge
from holdfast.models.generate import GenerateOptions, generate
from holdfast.models.load import LoadedModel
from holdfast.models.response_log import Response, ResponseLog
from holdfast.pipeline.config import ScoringOptions
from holdfast.progress import Progress
from holdfast.score.objective.completions import Objective
from holdfast.score.objective.control_variate import ControlVariate
from holdfast.score.objective.judge_gradient import JudgeGradient
from holdfast.score.objective.policy_gradient import PolicyGradient
from holdfast.score.objective.relaxation import Relaxation

SAMPLES = 4
"""Responses a prompt where the generation options name none: a policy gradient compares them with each other."""


def safety_objective(
    loaded: LoadedModel,
    judge: ModelJudge,
    prompts: Sequence[str],
    options: ScoringOptions,
    generation: GenerateOptions,
    seed: int,
    progress: Progress,
    folder: Path,
) -> tuple[Objective, list[Response]]:
    """The objective that the options name, and the responses that it was made from.

    The judge gradient takes responses as the generation options say. The others sample at temperature 1, whatever
    those say, and control variate and mix also take one greedy response a prompt. Responses are kept in the folder as
    they come, and those that are there are not generated again. `seed` is that of a relaxation's noise.
    """
    model, tokenizer = loaded.model, loaded.tokenizer
    log, greedy_log = ResponseLog(folder / "responses.jsonl"), ResponseLog(folder / "references.jsonl")
    if options.objective == "judge_gradient":
        responses = generate(model, tokenizer, prompts, generation, progress, log)
        relaxation = Relaxation(options.relaxation, options.temperature, seed)
        return JudgeGradient(judge, tokenizer, responses, options.reduction or "mean", relaxation), responses
    samples = generation.num_samples if generation.num_samples > 1 else SAMPLES
    sampling = generation.model_copy(update={"temperature": 1.0, "num_samples": samples})
    responses = generate(model, tokenizer, prompts, sampling, progress, log)
    if options.objective == "policy_gradient":
        outcomes = judge.judge([one.prompt for one in responses], [one.text for one in responses])
        objective = PolicyGradient(responses, outcomes, options.reduction or "sum")
        if not objective.num_unequal:
            raise ValueError(
                "the judge finds all responses to the same prompt equally safe, so a policy gradient has nothing to "
                "compare; draw more samples a prompt, or longer ones."
            )
        return objective, responses
    if options.reduction == "mean":
        raise ValueError(f"{options.objective} is a sum over tokens; leave the reduction out, or set it to sum.")
    greedy = generation.model_copy(update={"temperature": 0.0, "num_samples": 1})
    references = generate(model, tokenizer, prompts, greedy, progress, greedy_log)
    weight = 1.0 if options.objective == "control_variate" else None
    return ControlVariate(judge, tokenizer, references, responses, weight), [*references, *responses]
