"""Options that the commands and a whole run share: prompt sets, scoring, judging, measuring and verifying."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self, get_args

from pydantic import AfterValidator, Field, field_validator, model_validator

from holdfast.config import Options
from holdfast.judge.options import REFUSAL_RULES, ClassifierOptions, GuardOptions, RubricOptions
from holdfast.models.options import GenerateOptions, refuse_other_engine
from holdfast.objective.choices import TEMPERATURE, Reduction
from holdfast.objective.registry import (
    DEFAULT,
    OBJECTIVES,
    choices_help,
    defaults_in_words,
    is_safety,
    names,
    takes_gradient,
)
from holdfast.option_groups import CLASSIFIERS, ENDPOINTS, FINE, GUARDS, JUDGED, METHOD, PRESERVE, SEVERAL
from holdfast.spelling import joined, meant

OptionKind = Literal["guard", "classifier", "api"]
"""Kinds of judge that have options of their own."""
if TYPE_CHECKING:  # a checker can't know the names that are registered
    ObjectiveName = SafetyObjective = EnhanceObjective = str
else:
    ObjectiveName = Literal[names()]
    SafetyObjective = Literal[names(is_safety)]
    EnhanceObjective = Literal[(DEFAULT, *names(lambda record: is_safety(record) and record.given))]


def refuse_samples(generation: GenerateOptions) -> GenerateOptions:
    """Raises ValueError for several responses a prompt where draws of noise are pooled."""
    if generation.num_samples != 1:
        raise ValueError(
            f"draws of noise are pooled over one response a prompt, got num_samples={generation.num_samples}; "
            "set it to 1, or sample with `holdfast evaluate`."
        )
    return generation


def refuse_no_gradient(objective: str, judge: str) -> None:
    """Raises ValueError for an objective that uses a judge's gradient, when the refusal rules judge."""
    if judge == REFUSAL_RULES and takes_gradient(OBJECTIVES[objective]):
        raise ValueError(
            f"objective {objective} needs a judge with a gradient, and the refusal rules have none; choose objective "
            "policy_gradient, whose reward is 1 where they say refused, or refusal_likelihood of given refusals, or "
            "name a guard model as the judge."
        )


def uses_objective(options: "ScoringOptions", judge: str | None = None) -> bool:
    """True for a method over an objective's gradient.

    Raises:
        ValueError: the method uses no objective, and a judge is given.
    """
    if options.method == ScoringOptions.model_fields["method"].default:
        return True
    from holdfast.score import SCORES  # loads torch, which the default does without

    if options.method not in SCORES:  # a method for neurons
        return True
    if (uses := SCORES[options.method].uses_objective) or not judge:
        return uses
    raise ValueError(f"method {options.method} uses no judge, but got {judge!r}; leave it out.")


def refuse_judging(objective: str, judge: str | None, options: "JudgeOptions") -> None:
    """Raises ValueError for a judge, or options of one, with an objective that uses no judge."""
    given = [*(["a judge"] if judge else []), *(f"options of {kind}" for kind in options.given)]
    if given:
        judged = ", ".join(names(lambda record: record.judge))
        raise ValueError(
            f"objective {objective} uses no judge, but got {' and '.join(given)}; leave that out, or choose one "
            f"of the objectives that are judged: {judged}."
        )


def refuse_generating(objective: str, generation: GenerateOptions) -> None:
    """Raises ValueError for options of generation, with an objective of given responses."""
    if generation.model_fields_set:
        raise ValueError(
            f"objective {objective} scores given responses and makes none; leave the options of generation out."
        )


OneResponse = Annotated[GenerateOptions, AfterValidator(refuse_samples), AfterValidator(refuse_other_engine)]


class ScoringOptions(Options):
    """Options of scoring."""

    objective: ObjectiveName = Field(
        default=DEFAULT,
        description=choices_help(
            "Quantity that a weight's effect is measured on. Without a guard model choose refusal_likelihood, or "
            "policy_gradient for a model that refuses some of the prompts: the built-in rules reward refusals."
        ),
    )
    method: str = "esi"
    """Formula of the score.

    - esi: gradient times the spread of the matrix's weights (the paper's)
    - gradient_magnitude: gradient alone
    - snip: gradient times the weight
    - wanda: weight times the size of its inputs, without gradient or judge
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
    relaxation: Annotated[Literal["expectation", "gumbel"], FINE] = "expectation"
    """Replaces the choice of the next token by something that has a gradient (judge_gradient only).

    - expectation: the exact mean over all tokens
    - gumbel: one random soft draw, by Gumbel softmax, as in the code released with the paper. Noisier, and no better
    """
    temperature: Annotated[float, FINE] = Field(default=TEMPERATURE, gt=0)
    """Temperature of gumbel. A low value is noisy, a high one biased towards a uniform choice."""
    token_budget: Annotated[int | None, FINE] = Field(default=None, ge=1)
    """Tokens in a batch, padding included. Lower it when memory runs out. The scores stay the same. By default a batch
    keeps at most 512 MiB for the backward pass on a CPU, or an eighth of the memory on a GPU, and has at most 4096
    tokens."""
    shard: Annotated[bool, SEVERAL] = False
    """Splits the model over the processes (FSDP2). Otherwise each process holds all of it. Start them by `torchrun -m
    holdfast score`."""
    shard_judge: Annotated[bool, SEVERAL] = False
    """Splits a loaded judge over the processes too, if it is too large for each of them."""
    sums_on_host: Annotated[bool, SEVERAL] = False
    """Keeps sums of gradients in host memory. This saves 4 bytes per scored weight on the device, and is slower."""
    convergence: Annotated[bool, FINE] = False
    """Measures how far halves of 8, 16, 32 ... prompts agree, which shows whether more prompts would help. Needs 18 or
    more prompts, better 64. A second pass over the responses writes the result to a JSON file beside the scores."""

    @field_validator("method")
    @classmethod
    def _refuse_unknown(cls, method: str) -> str:
        if method != cls.model_fields["method"].default:
            from holdfast.score import NEURON_SCORES, SCORES  # loads torch, which the default does without

            known = (*SCORES, *NEURON_SCORES)
            if method not in known:
                listed = f"known for weights: {', '.join(SCORES)}, and for neurons: {', '.join(NEURON_SCORES)}"
                raise ValueError(f"unknown score {method!r}; {meant(method, known, listed)}")
        return method

    @model_validator(mode="after")
    def _refuse_idle(self) -> Self:
        if self.relaxation != "expectation" and not OBJECTIVES[self.objective].relaxes:
            raise ValueError(
                f"objective {self.objective} has no relaxation, but got {self.relaxation}; leave the "
                f"relaxation out, or choose objective {joined(names(lambda record: record.relaxes))}."
            )
        if self.temperature != TEMPERATURE and self.relaxation == "expectation":
            raise ValueError(
                f"a temperature of {self.temperature:g} has no effect without relaxation gumbel; choose that, or "
                "set generate.temperature if responses should be sampled."
            )
        return self


class NeuronOptions(Options):
    """Options of scoring neurons in place of weights."""

    unit: Literal["weight", "neuron"] = "weight"
    """What gets a score: each weight, or each neuron, which is one hidden unit of an MLP. For neurons --method is:

    - integrated_gradients: share of the objective that is due to the neuron (the default)
    - gradient_times_activation: integrated gradients in one step, and far faster
    - contrast: difference of its mean activation from that on the prompts --against
    - probe: weight in a linear probe that tells --prompts from --against
    - alpha_weighted: integrated gradients as in IRCAN's released code, which do not add up
    """
    against: str | None = None
    """Other prompts, as in --prompts. contrast and probe compare activations with theirs, such as harmless ones.
    Attributions start from their activations and not from zero. Give one for each prompt, such as the question
    without its context."""
    steps: int = Field(default=20, ge=1)
    """Steps of integrated gradients. More steps lower the completeness error that is printed."""
    rule: Literal["gauss_legendre", "left", "right", "midpoint"] = "gauss_legendre"
    """Places of the steps of integrated gradients."""

    @model_validator(mode="after")
    def _refuse_idle(self) -> Self:
        for name in ("against", "steps", "rule"):
            if getattr(self, name) != type(self).model_fields[name].default and self.unit == "weight":
                raise ValueError(f"{name} has no effect on scores of weights; choose unit neuron, or leave it out.")
        return self

    def method(self, options: ScoringOptions) -> str:
        """Returns the method of the scores. The default of weights stands for the default of neurons."""
        if self.unit == "neuron" and "method" not in options.model_fields_set:
            return "integrated_gradients"
        return options.method

    def compares(self, options: ScoringOptions) -> bool:
        """True for a method that compares activations on two prompt sets: it uses no response, objective or judge."""
        if self.unit == "weight" or "method" not in options.model_fields_set:
            return False
        from holdfast.score import NEURON_SCORES  # loads torch, which the default does without

        return options.method in NEURON_SCORES and NEURON_SCORES[options.method].compare is not None


class LayerWiseOptions(Options):
    """Options of scoring one layer at a time."""

    layer_wise: bool = False
    """Holds one layer in memory at a time, for models larger than the device. Hidden states go to files beside --out.
    For the methods esi, gradient_magnitude and snip."""
    keep: float | None = Field(default=None, gt=0, lt=1)
    """Share of the scored weights to keep, in (0, 1). Writes a mask of them in place of the scores, and the agreement
    of the masks of two halves of the prompts. Needs --layer-wise."""
    responses: Path | None = None
    """The model's responses to the prompts, as an earlier scoring wrote them (OUT_responses.jsonl). Needs --layer-wise
    and a judge."""

    @model_validator(mode="after")
    def _refuse_idle(self) -> Self:
        for name in ("keep", "responses"):
            if getattr(self, name) is not None and not self.layer_wise:
                raise ValueError(f"{name} has no effect without layer-wise; choose layer-wise, or leave it out.")
        return self


class JudgeOptions(Options):
    """Options of judges, for each kind of judge."""

    guard: Annotated[GuardOptions, GUARDS] = GuardOptions()
    """Options of a causal guard model."""
    classifier: Annotated[ClassifierOptions, CLASSIFIERS] = ClassifierOptions()
    """Options of a sequence classifier."""
    api: Annotated[RubricOptions, ENDPOINTS] = RubricOptions()
    """Options of a judge behind an API, api:MODEL."""

    @property
    def given(self) -> list[OptionKind]:
        """Kinds of judge whose options differ from their defaults."""
        return [kind for kind in get_args(OptionKind) if getattr(self, kind) != type(getattr(self, kind))()]


class SuiteFiles(Options):
    """Evaluation prompt sets. A measure without a set is not measured."""

    harmful: tuple[str, ...] = ()
    """Harmful prompts, for attack success and refusals. All prompt sets are a file, testbed:NAME, or a name of
    `holdfast prompts list`. A file is text with one prompt a line, or JSONL, CSV, TSV or Parquet, where
    FILE#prompt=COLUMN names the column. #first=32 takes the first 32 prompts."""
    harmless: str | None = None
    """Harmless prompts, for over-refusal."""
    borderline: str | None = None
    """Safe prompts that look unsafe, for a separate over-refusal rate."""
    questions: str | None = None
    """Questions with exact answers, for utility and perplexity."""
    task: str | None = None
    """Questions of the task that the model is adapted to, with exact answers."""

    @property
    def names(self) -> list[str]:
        """Names of all sets that are given."""
        others = (self.harmless, self.borderline, self.questions, self.task)
        return [*self.harmful, *(name for name in others if name is not None)]


class MeasureOptions(Options):
    """Measures of `evaluate` in addition to the rates of its prompt sets."""

    prefill: str | None = None
    """Text that begins every response to a harmful prompt, for a second attack success rate."""
    reference: str | None = None
    """Model to compare next-token predictions with (KL divergence), on questions and on its responses to harmless and
    borderline prompts."""
    judge_thoughts: Annotated[bool, JUDGED] = False
    """Shows the judge a reasoning model's thoughts (<think>...</think>) too."""

    @field_validator("prefill")
    @classmethod
    def _refuse_blank(cls, prefill: str | None) -> str | None:
        if prefill is not None and not prefill.strip():
            raise ValueError("the prefill is blank, which begins no response; give a text, or leave it out.")
        return prefill


class CalibrationFiles(Options):
    """Calibration prompt sets of a run, from which scores are made."""

    harmful: str | None = None
    """Harmful prompts that the model answers itself. The objective refusal_likelihood needs safe responses with
    them. A run of SET alone that scores SET's own refusals reads none, and needs it left out."""
    utility: str | None = None
    """Questions or exchanges with right answers. Safety-only masks leave out the weights that matter most to them.
    Without this set there are no safety-only masks."""


class ScoreFiles(CalibrationFiles):
    """Calibration prompt sets where harmful prompts are needed."""

    harmful: str  # pyright: ignore[reportIncompatibleVariableOverride, reportGeneralTypeIssues]  # options are frozen
    """Harmful prompts that the model answers itself. The objective refusal_likelihood needs safe responses with
    them."""


class EnhanceFiles(Options):
    """Prompt sets that SET learns from."""

    refusals: str
    """Harmful prompts with safe responses."""
    harmless: str
    """Harmless prompts with helpful responses."""


class SafetyFiles(Options):
    """Prompt sets of the methods that learn from safety data while a model is fine-tuned."""

    safety: Annotated[str | None, METHOD] = None
    """mixed, refresh: harmful prompts with refusals. replay, kl, der, safegrad: harmful prompts, to which the start
    model answers. A file, testbed:NAME, or a name of `holdfast prompts list`."""
    held_out: Annotated[tuple[str, ...], PRESERVE] = ()
    """Prompt sets that will evaluate the model. A safety prompt that is among them is refused."""


class SelectOptions(Options):
    """Options of the selection of masks."""

    fraction: float = Field(default=0.01, gt=0, lt=1)
    """Share of the scored weights that every mask selects, in (0, 1)."""
    utility_fraction: float = Field(default=0.05, gt=0, lt=1)
    """Share of the scored weights, those most important for utility, that safety-only masks leave out, in (0, 1)."""


class VerifyOptions(Options):
    """Options of the noise on the selected weights."""

    ratios: tuple[Annotated[float, Field(ge=0)], ...] = (0.38, 2.0, 4.0)
    """Strengths of the noise, in standard deviations of each weight's matrix. The paper uses 0.38. Larger values change
    the model more. In a config, an empty list leaves the noise out."""
    draws: int = Field(default=5, ge=1)
    """Random draws of the noise at every strength. More draws narrow the intervals."""
    limit: int | None = Field(default=None, ge=1)
    """Prompts to take from every file, counted from its start. Fewer prompts are faster and give wider intervals. By
    default all."""
