"""Reads the inputs of an objective for a scoring: given exchanges, or prompts with a judge."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from holdfast.artifacts import digest
from holdfast.made_by import prompts_entry
from holdfast.models.load import LoadedModel, resolve
from holdfast.models.response_log import Response
from holdfast.objective.material import Made, answer
from holdfast.objective.no_objective import of_prompts, of_responses, without_prompts
from holdfast.objective.registry import takes_gradient
from holdfast.pipeline.given_exchanges import load_given
from holdfast.pipeline.given_responses import log_given, read_responses
from holdfast.pipeline.inputs import digest_of
from holdfast.pipeline.judges import Judge, differentiable, has_weights, load_judge, reading, require_usable, try_on
from holdfast.pipeline.objectives import make_objective
from holdfast.pipeline.scoring_spec import ScoringSpec, warn_of_few, with_useful_curve
from holdfast.progress import Progress
from holdfast.prompts.chat import encode_prompt
from holdfast.prompts.sources import load_prompts
from holdfast.records import Exchange, Prompt
from holdfast.score.measure import refuse_too_few


@dataclass(frozen=True, eq=False)
class GivenExchanges:
    """Prompts with given responses."""

    spec: ScoringSpec
    exchanges: Sequence[Exchange]

    @property
    def prompts(self) -> list[str]:
        """The prompts, in order."""
        return [exchange.prompt for exchange in self.exchanges]

    @property
    def settings(self) -> dict[str, object]:
        """Settings that unfinished work depends on."""
        return {"exchanges": digest_of(self.exchanges)}

    def make(self, loaded: LoadedModel, folder: Path, progress: Progress) -> Made:
        """Makes the objective."""
        return make_objective(self.spec.options, loaded, folder, exchanges=self.exchanges, progress=progress)

    def beside(self, responses: Sequence[Response]) -> dict[str, object]:
        """Returns the scores' metadata on the objective and its exchanges. `responses` is empty and unused."""
        spec = self.spec
        return {"objective": spec.options.objective, "prompts": prompts_entry(self.exchanges, spec.prompts)}


@dataclass(frozen=True, eq=False)
class JudgedPrompts:
    """Prompts that the model answers, with the judge of the answers."""

    spec: ScoringSpec
    records: Sequence[Prompt]
    judge: Judge
    responses: Sequence[Response] = ()
    """The model's responses if they are given. Layer-wise scoring can't generate any."""

    @property
    def prompts(self) -> list[str]:
        """The prompts, in order."""
        return [record.prompt for record in self.records]

    @property
    def settings(self) -> dict[str, object]:
        """Settings that unfinished work depends on."""
        made = {"generation": self.spec.generation.model_dump(mode="json")}
        given = {"responses": digest([asdict(response) for response in self.responses])}
        return {
            "judge": [self.judge.fingerprint, reading(self.spec.judging)],
            "prompts": digest(self.prompts),
            **(given if self.responses else made),
        }

    def make(self, loaded: LoadedModel, folder: Path, progress: Progress) -> Made:
        """Makes the objective from responses that the model generates, or from given ones."""
        spec, generation = self.spec, self.spec.generation
        if self.responses:
            generation = log_given(self.responses, self.prompts, loaded, spec.options.objective, folder)
        return make_objective(
            spec.options,
            loaded,
            folder,
            judge=self.judge,
            prompts=self.prompts,
            generation=generation,
            seed=spec.seed,
            progress=progress,
        )

    def beside(self, responses: Sequence[Response]) -> dict[str, object]:
        """Returns the scores' metadata on the objective, the judge, the prompts and the responses."""
        spec = self.spec
        return {
            "objective": spec.options.objective,
            "judge": {"name": spec.judge, "fingerprint": self.judge.fingerprint, "reading": reading(spec.judging)},
            "prompts": prompts_entry(self.records, spec.prompts),
            "responses": _responses_entry(responses),
        }


@dataclass(frozen=True, eq=False)
class UnjudgedPrompts:
    """Prompts that the model answers, for a score that reads the answers' inputs and needs no judge."""

    spec: ScoringSpec
    records: Sequence[Prompt]

    @property
    def settings(self) -> dict[str, object]:
        """Settings that unfinished work depends on."""
        prompts = digest([record.prompt for record in self.records])
        return {"generation": self.spec.generation.model_dump(mode="json"), "prompts": prompts}

    def make(self, loaded: LoadedModel, folder: Path, progress: Progress) -> Made:
        """Generates the responses, and makes items of them."""
        prompts = [record.prompt for record in self.records]
        responses = answer(loaded, prompts, self.spec.generation, folder, progress)
        return Made(of_responses(responses), responses)

    def beside(self, responses: Sequence[Response]) -> dict[str, object]:
        """Returns the scores' metadata on the prompts and the responses."""
        return {"prompts": prompts_entry(self.records, self.spec.prompts), "responses": _responses_entry(responses)}


@dataclass(frozen=True, eq=False)
class ComparedPrompts:
    """Prompts whose activations are compared with those of other prompts, without any response."""

    spec: ScoringSpec
    records: Sequence[Prompt]

    @property
    def settings(self) -> dict[str, object]:
        """Settings that unfinished work depends on."""
        return {"prompts": digest([record.prompt for record in self.records])}

    def make(self, loaded: LoadedModel, folder: Path, progress: Progress) -> Made:
        """Makes an item of every prompt, as the model receives it."""
        prompts = [record.prompt for record in self.records]
        return Made(of_prompts(prompts, [encode_prompt(loaded.tokenizer, prompt) for prompt in prompts]))

    def beside(self, responses: Sequence[Response]) -> dict[str, object]:
        """Returns the scores' metadata on the prompts. `responses` is empty and unused."""
        return {"prompts": prompts_entry(self.records, self.spec.prompts)}


@dataclass(frozen=True, eq=False)
class NoPrompts:
    """Stands for prompts where the score uses none, such as the size of a weight."""

    spec: ScoringSpec

    @property
    def settings(self) -> dict[str, object]:
        """Settings that unfinished work depends on, beside the seed."""
        return {}

    def make(self, loaded: LoadedModel, folder: Path, progress: Progress) -> Made:
        """Makes one empty item for each half."""
        return Made(without_prompts(self.spec.seed))

    def beside(self, responses: Sequence[Response]) -> dict[str, object]:
        """Returns no metadata: no prompt and no objective had an effect."""
        return {}


Source = GivenExchanges | JudgedPrompts | UnjudgedPrompts | ComparedPrompts | NoPrompts


def _responses_entry(responses: Sequence[Response]) -> dict[str, object]:
    return {
        "count": len(responses),
        "longest": max(len(response.token_ids) for response in responses),
        "sha256": digest([asdict(response) for response in responses]),
    }


def read_source(spec: ScoringSpec, progress: Progress) -> Source:
    """Reads the prompts, and loads and tries the judge of an objective that uses one.

    The returned specification has no convergence where there are too few prompts for it.

    Raises:
        ValueError: there are too few prompts, given responses are refusals in place of right answers or the other way
            round, or the judge can't be used.
    """
    if not spec.uses_prompts:
        return NoPrompts(spec)
    if spec.compares_prompts:
        records = load_prompts(spec.prompts)
        prompts = [record.prompt for record in records]
        refuse_too_few(prompts)
        warn_of_few(spec, prompts)
        return ComparedPrompts(spec, records)
    if spec.objective.given:
        exchanges = load_given(spec.prompts, spec.options)
        prompts = [exchange.prompt for exchange in exchanges]
        warn_of_few(spec, prompts)
        return GivenExchanges(with_useful_curve(spec, prompts), exchanges)
    records = load_prompts(spec.prompts, "harmful")
    prompts = [record.prompt for record in records]
    refuse_too_few(prompts)
    warn_of_few(spec, prompts)
    spec = with_useful_curve(spec, prompts)
    if not spec.uses_objective:
        return UnjudgedPrompts(spec, records)
    responses = read_responses(spec.layers.responses) if spec.layers.responses else ()
    assert spec.judge is not None
    require_usable(spec.judging, spec.judge)
    if has_weights(spec.judge):
        resolve(spec.model)  # before the judge is loaded
    judge = load_judge(spec.judge, spec.judging, progress, sharded=spec.options.shard_judge)
    if takes_gradient(spec.objective):
        differentiable(judge, spec.options.objective)
    try_on(judge, spec.judge, prompts)
    return JudgedPrompts(spec, records, judge, responses)
