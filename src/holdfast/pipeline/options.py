"""Options that the commands and a whole run share: prompt sets, and how to score, judge, measure and verify."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self, get_args

from pydantic import AfterValidator, Field, field_validator, model_validator

from holdfast.config import Options
from holdfast.judge.options import REFUSAL_RULES, ClassifierOptions, GuardOptions, RubricOptions
from holdfast.models.options import GenerateOptions, refuse_other_engine
from holdfast.objective.choices import TEMPERATURE, Reduction, RelaxationKind
from holdfast.objective.registry import (
    DEFAULT,
    OBJECTIVES,
    choices_help,
    defaults_in_words,
    is_safety,
    names,
    takes_gradient,
)
from holdfast.option_groups import CLASSIFIERS, ENDPOINTS, FINE, GUARDS, JUDGED, SEVERAL
from holdfast.spelling import joined

OptionKind = Literal["guard", "classifier", "api"]
"""Kinds of judge that have options of their own."""
if TYPE_CHECKING:  # a checker can't know the names that are registered
    ObjectiveName = SafetyObjective = EnhanceObjective = str
else:
    ObjectiveName = Literal[names()]
    SafetyObjective = Literal[names(is_safety)]
    EnhanceObjective = Literal[(DEFAULT, *names(lambda record: is_safety(record) and record.given))]


def refuse_samples(generation: GenerateOptions) -> GenerateOptions:
    """Raises ValueError when several responses a prompt are asked for where draws of noise are pooled."""
    if generation.num_samples != 1:
        raise ValueError(
            f"draws of noise are pooled over one response a prompt, got num_samples={generation.num_samples}; "
            "set it to 1, or sample with `holdfast evaluate`."
        )
    return generation


def refuse_no_gradient(objective: str, judge: str) -> None:
    """Raises ValueError when an objective takes the gradient of a judge, and the refusal rules judge."""
    if judge == REFUSAL_RULES and takes_gradient(OBJECTIVES[objective]):
        raise ValueError(
            f"objective {objective} needs a judge with a gradient, and the refusal rules have none; choose objective "
            "policy_gradient, whose reward is 1 where they say refused, or refusal_likelihood of given refusals, or "
            "name a guard model as the judge."
        )


def refuse_judging(objective: str, judge: str | None, options: "JudgeOptions") -> None:
    """Raises ValueError when a judge, or options of one, were given to an objective that asks none."""
    given = [*(["--judge"] if judge else []), *(f"--{kind} options" for kind in options.given)]
    if given:
        judged = ", ".join(names(lambda record: record.judge))
        raise ValueError(
            f"objective {objective} asks no judge, and there is {' and '.join(given)}; leave that out, or choose one "
            f"of the objectives that are judged: {judged}."
        )


OneResponse = Annotated[GenerateOptions, AfterValidator(refuse_samples), AfterValidator(refuse_other_engine)]


class ScoringOptions(Options):
    """How weights are scored."""

    objective: ObjectiveName = Field(
        default=DEFAULT,
        description=choices_help(
            "Quantity that a weight's effect is measured on. Without a guard model choose refusal_likelihood. Or "
            "choose policy_gradient, for a model that refuses some of the prompts: it rewards refusals, found by the "
            "built-in rules."
        ),
    )
    method: str = "esi"
    """Formula of the score.

    - esi: gradient times the spread of the matrix's weights (the paper's)
    - gradient_magnitude: gradient alone
    - snip: gradient times the weight
    - wanda: weight times the size of its inputs; no gradient, so no judge's say
    - magnitude: size of the weight, a control
    - random: noise, a control
    """
    reduction: Annotated[Reduction | None, FINE] = Field(
        default=None,
        description=f"""Combines the tokens of a response. When left out: {defaults_in_words()}.
Sampled objectives are unbiased only with sum.

- mean: every response counts alike
- sum: every token counts alike, so that long responses count more""",
    )
    relaxation: Annotated[RelaxationKind, FINE] = "expectation"
    """Replaces the choice of the next token by something that has a gradient (judge_gradient only).

    - expectation: the exact mean over all tokens
    - gumbel: one random soft draw, by Gumbel softmax
    - straight_through: one soft draw around the token of the response; sample the responses
    """
    temperature: Annotated[float, FINE] = Field(default=TEMPERATURE, gt=0)
    """Temperature of gumbel and straight_through. Low is noisy, high is biased towards an even choice."""
    token_budget: Annotated[int | None, FINE] = Field(default=None, ge=1)
    """Tokens in a batch, padding included. Lower it when memory runs out; scores stay the same. When left out, a batch
    keeps at most 512 MiB for the backward pass on a CPU, an eighth of the memory on a GPU, and has at most 4096."""
    shard: Annotated[bool, SEVERAL] = False
    """Splits the model over the processes (FSDP2). Otherwise each holds all of it. Start them by `torchrun -m holdfast
    score`."""
    shard_judge: Annotated[bool, SEVERAL] = False
    """Splits a loaded judge over the processes too, if it is too large to be in each."""
    sums_on_host: Annotated[bool, SEVERAL] = False
    """Keeps sums of gradients in host memory: saves 4 bytes per scored weight on the device, and is slower."""
    convergence: Annotated[bool, FINE] = False
    """Measures whether more prompts would help: how far halves of 8, 16, 32 ... prompts agree. Needs 18 or more
    prompts, better 64. Goes to a JSON file beside the scores, after a second pass over the responses."""

    @model_validator(mode="after")
    def _refuse_idle(self) -> Self:
        if self.relaxation != "expectation" and not OBJECTIVES[self.objective].relaxes:
            raise ValueError(
                f"objective {self.objective} has no relaxation, and {self.relaxation} was asked for; leave the "
                f"relaxation out, or choose objective {joined(names(lambda record: record.relaxes))}."
            )
        if self.temperature != TEMPERATURE and self.relaxation == "expectation":
            raise ValueError(
                f"a temperature of {self.temperature:g} has no effect without relaxation gumbel or straight_through; "
                "choose one, or set generate.temperature if responses should be sampled."
            )
        return self


class LayerWiseOptions(Options):
    """Scoring one layer at a time."""

    layer_wise: bool = False
    """Holds one layer in memory at a time, for models larger than the device. Hidden states go to files beside --out.
    For the methods esi, gradient_magnitude and snip."""
    keep: float | None = Field(default=None, gt=0, lt=1)
    """Share of the scored weights to keep, in (0, 1): writes a mask of them in place of the scores, and how far the
    masks of two halves of the prompts agree. Needs --layer-wise."""
    responses: Path | None = None
    """The model's responses to the prompts, as an earlier scoring wrote them (OUT_responses.jsonl). Needs --layer-wise
    and a judge."""

    @model_validator(mode="after")
    def _refuse_idle(self) -> Self:
        for name in ("keep", "responses"):
            if getattr(self, name) is not None and not self.layer_wise:
                raise ValueError(f"{name} has no effect without layer-wise; give --layer-wise, or leave it out.")
        return self


class JudgeOptions(Options):
    """How judges are read; each kind of judge has its own."""

    guard: Annotated[GuardOptions, GUARDS] = GuardOptions()
    """How a causal guard model is read."""
    classifier: Annotated[ClassifierOptions, CLASSIFIERS] = ClassifierOptions()
    """How a sequence classifier is read."""
    api: Annotated[RubricOptions, ENDPOINTS] = RubricOptions()
    """How a judge behind an API, api:MODEL, is asked."""

    @property
    def given(self) -> list[OptionKind]:
        """The kinds of judge whose options differ from their defaults."""
        return [kind for kind in get_args(OptionKind) if getattr(self, kind) != type(getattr(self, kind))()]


class SuiteFiles(Options):
    """Evaluation prompt sets. One that is left out is not measured."""

    harmful: tuple[str, ...] = ()
    """Harmful prompts, for attack success and refusals. All prompt sets are a file (JSONL, CSV, TSV, Parquet;
    FILE#prompt=COLUMN names the column), testbed:NAME, or a name of `holdfast prompts list`."""
    harmless: str | None = None
    """Harmless prompts, for over-refusal."""
    borderline: str | None = None
    """Safe prompts that look unsafe, for over-refusal of their own."""
    questions: str | None = None
    """Questions with exact answers, for utility and perplexity."""
    task: str | None = None
    """Questions of the task that the model is adapted to, with exact answers."""


class MeasureOptions(Options):
    """What `evaluate` measures beside the rates of its prompt sets."""

    prefill: str | None = None
    """Text that begins every response to a harmful prompt, for a second attack success rate."""
    reference: str | None = None
    """Model to compare next-token predictions with (KL divergence), on questions and on its responses to harmless
    prompts."""
    judge_thoughts: Annotated[bool, JUDGED] = False
    """Shows the judge what a reasoning model thinks (<think>...</think>) as well as what it says."""

    @field_validator("prefill")
    @classmethod
    def _refuse_blank(cls, prefill: str | None) -> str | None:
        if prefill is not None and not prefill.strip():
            raise ValueError("the prefill is blank, which begins no response; give a text, or leave --prefill out.")
        return prefill


class ScoreFiles(Options):
    """Calibration prompt sets: what makes the scores."""

    harmful: str
    """Harmful prompts that the model answers itself; with safe responses for the objective refusal_likelihood."""
    utility: str | None = None
    """Questions or exchanges with right answers, for the utility importance that safety-only masks leave out. Left out,
    there are no safety-only masks."""


class EnhanceFiles(Options):
    """What SET learns from."""

    refusals: str
    """Harmful prompts with safe responses."""
    harmless: str
    """Harmless prompts with helpful responses."""


class SelectOptions(Options):
    """How masks are cut from scores."""

    fraction: float = Field(default=0.01, gt=0, lt=1)
    """Share of the scored weights that every mask selects, in (0, 1)."""
    utility_fraction: float = Field(default=0.05, gt=0, lt=1)
    """Share of the scored weights, those most important for utility, that safety-only masks leave out, in (0, 1)."""


class VerifyOptions(Options):
    """How noise is put on the selected weights."""

    ratios: tuple[Annotated[float, Field(ge=0)], ...] = (0.38, 2.0, 4.0)
    """Strengths of the noise, in standard deviations of each weight's matrix. The paper uses 0.38. Larger values change
    the model more. With none, nothing is verified."""
    draws: int = Field(default=5, ge=1)
    """Random draws of the noise at every strength. More draws narrow the intervals."""
    limit: int | None = Field(default=None, ge=1)
    """Prompts to take from every file, counted from its start. Fewer are faster and give wider intervals. All when left
    out."""
