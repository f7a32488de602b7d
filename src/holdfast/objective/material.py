"""What an objective is made from: a model with the responses that it makes and a judge of them, or given exchanges."""

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
"""Responses that a judge is tried on before its gradients are taken for a verdict's."""


@dataclass(frozen=True)
class Made:
    """An objective, and the responses that it was made from where the model made them."""

    objective: Objective
    responses: Sequence[Response] = ()


@dataclass(frozen=True, kw_only=True)
class Material:
    """Everything that an objective may be made from. Each takes what its record says that it needs."""

    name: str
    """The objective's name."""
    loaded: LoadedModel
    folder: Path
    """Keeps responses as they come; those that are there are not generated again."""
    judge: Judge | None = None
    prompts: Sequence[str] = ()
    """Prompts that the model answers."""
    exchanges: Sequence[Exchange] = ()
    """Prompts with given responses."""
    generation: GenerateOptions
    """How responses are made; they are sampled at temperature 1 where the record says so."""
    reduction: Reduction
    relaxation: RelaxationKind = "expectation"
    temperature: float = TEMPERATURE
    """Temperature of a relaxed draw."""
    seed: int = 0
    """Seed of a relaxation's noise."""
    progress: Progress = silent

    @property
    def differentiable_judge(self) -> ModelJudge:
        """The judge, which has a gradient: whoever makes material checks that."""
        assert isinstance(self.judge, ModelJudge)
        return self.judge

    def answer(self) -> list[Response]:
        """Returns the model's responses, from the log of the folder and, where it ends, from the model.

        Raises:
            ValueError: the model is broken.
        """
        return self._answers("responses", self.generation)

    def answer_greedily(self) -> list[Response]:
        """Returns one greedy response a prompt, kept apart from the others."""
        return self._answers("references", self.generation.model_copy(update={"temperature": 0.0, "num_samples": 1}))

    def _answers(self, name: str, options: GenerateOptions) -> list[Response]:
        log = ResponseLog(self.folder / (f"{name}_{rank()}.jsonl" if world_size() > 1 else f"{name}.jsonl"))
        model, tokenizer = self.loaded.model, self.loaded.tokenizer
        responses = generate(model, tokenizer, self.prompts, options, self.progress, log)
        refuse_broken(responses)
        return responses

    def verdicts(self, responses: Sequence[Response]) -> list[Outcome]:
        """Returns the judge's verdicts on responses; a response that is nothing but thoughts has none.

        Raises:
            ValueError: most have no verdict.
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
