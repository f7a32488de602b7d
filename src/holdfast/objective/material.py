"""Inputs of an objective: a model with its responses and a judge, or given exchanges."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from holdfast.distributed import rank, world_size
from holdfast.judge.ask import Judge, ask_judge
from holdfast.judge.degenerate import ONLY_THOUGHTS
from holdfast.judge.model_judge import ModelJudge
from holdfast.models.generate import generate
from holdfast.models.load import LoadedModel
from holdfast.models.options import GenerateOptions
from holdfast.models.response_log import Response, ResponseLog
from holdfast.objective.choices import TEMPERATURE, Reduction, RelaxationKind
from holdfast.objective.completions import Objective
from holdfast.outcomes import Outcome
from holdfast.progress import Progress, silent
from holdfast.records import Exchange
from holdfast.thoughts import without_thoughts

TRIED = 64
"""Number of responses that must mostly have a verdict before the judge's gradients are used."""


@dataclass(frozen=True)
class Made:
    """An objective, with the responses that the model generated for it, if any."""

    objective: Objective
    responses: Sequence[Response] = ()


@dataclass(frozen=True, kw_only=True)
class Material:
    """Inputs from which objectives are made. Each objective uses those that its record names."""

    name: str
    """The objective's name."""
    loaded: LoadedModel
    folder: Path
    """Keeps responses as the model generates them. Responses that it already holds are not generated again."""
    judge: Judge | None = None
    prompts: Sequence[str] = ()
    """Prompts that the model answers."""
    exchanges: Sequence[Exchange] = ()
    """Prompts with given responses."""
    generation: GenerateOptions
    """Options of generation. Where the record asks for samples, the temperature is 1."""
    reduction: Reduction
    relaxation: RelaxationKind = "expectation"
    temperature: float = TEMPERATURE
    """Temperature of a relaxed draw."""
    seed: int = 0
    """Seed of a relaxation's noise."""
    progress: Progress = silent

    @property
    def differentiable_judge(self) -> ModelJudge:
        """The judge, as one with a gradient. The maker of the material checks that it has one."""
        assert isinstance(self.judge, ModelJudge)
        return self.judge

    def answer(self) -> list[Response]:
        """Returns the model's responses: those in the folder's log, then newly generated ones.

        Raises:
            ValueError: the model's logits are not finite.
        """
        return self._answers("responses", self.generation)

    def answer_greedily(self) -> list[Response]:
        """Returns one greedy response a prompt, from a log of their own."""
        return self._answers("references", self.generation.model_copy(update={"temperature": 0.0, "num_samples": 1}))

    def _answers(self, name: str, options: GenerateOptions) -> list[Response]:
        return answer(self.loaded, self.prompts, options, self.folder, self.progress, name)

    def verdicts(self, responses: Sequence[Response]) -> list[Outcome]:
        """Returns the judge's verdicts on responses. A response with nothing but thoughts has no verdict.

        Raises:
            ValueError: most responses have no verdict.
        """
        assert self.judge is not None
        spoken = [without_thoughts(response.record) for response in responses]
        outcomes = ask_judge(self.judge, [response.prompt for response in responses], spoken)
        thoughts = Outcome.unscored(f"{ONLY_THOUGHTS}: give more tokens, or have the model not think")
        judged = [
            thoughts if response.text.strip() and not text else outcome
            for response, text, outcome in zip(responses, spoken, outcomes, strict=True)
        ]
        refuse_unscored(judged)
        return judged


def answer(
    loaded: LoadedModel,
    prompts: Sequence[str],
    options: GenerateOptions,
    folder: Path,
    progress: Progress,
    name: str = "responses",
) -> list[Response]:
    """Returns the model's responses: those in the folder's log of this name, then newly generated ones.

    Raises:
        ValueError: the model's logits are not finite.
    """
    log = ResponseLog(folder / (f"{name}_{rank()}.jsonl" if world_size() > 1 else f"{name}.jsonl"))
    responses = generate(loaded.model, loaded.tokenizer, prompts, options, progress, log)
    refuse_broken(responses)
    return responses


def refuse_broken(responses: Sequence[Response]) -> None:
    """Raises ValueError for responses from logits that were not finite, because no such response can be scored."""
    if broken := [response.prompt for response in responses if response.broken]:
        raise ValueError(
            f"the model's logits are not finite for {len(broken)} of {len(responses)} responses, the first to "
            f"{broken[0][:60]!r}; load it in float32, or repair its weights."
        )


def refuse_unscored(outcomes: Sequence[Outcome]) -> None:
    """Raises ValueError when most responses have no verdict, because their gradients would mean nothing."""
    reasons = [str(outcome.reason) for outcome in outcomes if outcome.verdict is None]
    if 2 * len(reasons) > len(outcomes):
        raise ValueError(
            f"the judge has no verdict on {len(reasons)} of {len(outcomes)} responses ({reasons[0]}); "
            "give a judge that finds most responses safe or unsafe."
        )
