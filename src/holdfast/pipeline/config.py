"""What a whole run is made of: models, prompt sets and the options of every stage."""

from pathlib import Path
from typing import Annotated, Literal, Self, get_args

from pydantic import AfterValidator, Field, field_validator, model_validator

from holdfast.config import Options, Seed
from holdfast.estimators import TEMPERATURE, Estimator, Likelihood, Reduction, RelaxationKind
from holdfast.intervene.options import AdaptOptions, EnhanceOptions
from holdfast.judge.options import REFUSAL_RULES, ClassifierOptions, GuardOptions, RubricOptions
from holdfast.models.options import GenerateOptions, refuse_other_engine

SafetyObjective = Literal["judge_gradient", "refusal_likelihood"]
EnhanceArm = Literal["top", "safety_only", "random", "bottom", "refusals_alone", "full"]
AdaptArm = Literal["plain", "protected", "safety_only", "random_protected"]


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
    if judge == REFUSAL_RULES and objective in set(get_args(Estimator)) - {"policy_gradient"}:
        raise ValueError(
            f"objective {objective} needs a judge with a gradient, and the refusal rules have none; choose objective "
            "policy_gradient, whose reward is 1 where they say refused, or refusal_likelihood of given refusals, or "
            "name a guard model as the judge."
        )


OneResponse = Annotated[GenerateOptions, AfterValidator(refuse_samples), AfterValidator(refuse_other_engine)]


class ScoringOptions(Options):
    """How weights are scored."""

    objective: Literal[Estimator, Likelihood] = "judge_gradient"
    """What a weight's effect is measured on. Judged safety of the model's own responses, estimated by the judge's
    gradient, by policy gradient, by the two joined as control_variate, or by their mix (these three sample at
    temperature 1, 2 or more responses a prompt); or the likelihood of given refusals or (utility) of right answers.
    Without a guard model choose refusal_likelihood or, for a model that refuses some of the prompts now and then,
    policy_gradient: its reward is then a refusal by the rules."""
    method: str = "esi"
    """The formula: esi, gradient_magnitude, snip, wanda, magnitude or random."""
    reduction: Reduction | None = None
    """Over a response's tokens: `mean` weighs every response alike, `sum` weighs long ones more. When left out, mean
    for the judge gradient and sum for the others, which are unbiased only so."""
    relaxation: RelaxationKind = "expectation"
    """What the judge gradient takes for the next token: the exact expectation over all tokens, or one noisy draw, by
    gumbel softmax, or straight_through, which keeps to the token that was said and wants sampled responses."""
    temperature: float = Field(default=TEMPERATURE, gt=0)
    """Of gumbel and straight_through: low is nearly one token and noisy, high is even and biased."""
    token_budget: int = Field(default=4096, ge=1)
    """Tokens of a batch at most, padding counted; changes speed and memory, not the scores."""
    shard: bool = False
    """In several processes (`torchrun -m holdfast score`): spread the model over them, by FSDP2. Otherwise each has the
    whole model, and they share the prompts."""
    shard_judge: bool = False
    """In several processes: spread a loaded judge over them as well, for one that is too large to be in each."""
    sums_on_host: bool = False
    """Keep the sums of gradients in host memory: 4 bytes a scored entry less on the device, and slower."""
    convergence: bool = False
    """Also measure how far halves of 8, 16, 32 ... prompts agree, to a JSON file beside the scores: where that still
    rises, more prompts help. Takes a second pass over the responses."""

    @model_validator(mode="after")
    def _refuse_idle(self) -> Self:
        if self.relaxation != "expectation" and self.objective != "judge_gradient":
            raise ValueError(
                f"objective {self.objective} has no relaxation, and {self.relaxation} was asked for; "
                "leave the relaxation out, or choose objective judge_gradient."
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
    """Hold one layer of the model at a time, for models larger than the device; hidden states between layers go to
    files beside the output. For esi, gradient_magnitude and snip."""
    keep: float | None = Field(default=None, gt=0, lt=1)
    """With layer_wise: write the mask of this share of the scored entries in place of the scores, which are then never
    stored, and how far the masks of two halves of the prompts agree."""
    responses: Path | None = None
    """With layer_wise and a judge: the model's responses to the prompts, OUT_responses.jsonl of another scoring, as a
    model that is not there whole can't answer."""

    @model_validator(mode="after")
    def _refuse_idle(self) -> Self:
        for name in ("keep", "responses"):
            if getattr(self, name) is not None and not self.layer_wise:
                raise ValueError(f"{name} has no effect without layer-wise; give --layer-wise, or leave it out.")
        return self


class JudgeOptions(Options):
    """How judges are read; each kind of judge has its own."""

    guard: GuardOptions = GuardOptions()
    """Of a causal guard model."""
    classifier: ClassifierOptions = ClassifierOptions()
    """Of a sequence classifier."""
    api: RubricOptions = RubricOptions()
    """Of a judge behind an API, api:MODEL."""


class SuiteFiles(Options):
    """Evaluation prompt sets. One that is left out is not measured."""

    harmful: tuple[str, ...] = ()
    """Harmful prompts, for attack success and refusals. This and what follows: a file (JSONL, CSV, TSV, Parquet;
    FILE#prompt=COLUMN names its columns), `testbed:NAME`, or a name of `holdfast prompts list`."""
    harmless: str | None = None
    """Harmless prompts, for over-refusal."""
    borderline: str | None = None
    """Safe prompts that look unsafe, for over-refusal apart."""
    questions: str | None = None
    """Questions with exact answers, for utility and perplexity."""
    task: str | None = None
    """Examples of the task that is adapted to, with exact answers."""


class MeasureOptions(Options):
    """What `evaluate` measures beside the rates of its prompt sets."""

    prefill: str | None = None
    """Text that responses to harmful prompts are made to begin with, for a second attack success rate."""
    reference: str | None = None
    """Model that the next tokens are compared with, on the questions and on its responses to harmless prompts."""
    judge_thoughts: bool = False
    """Have the judge read what a reasoning model thinks (<think>...</think>), too, not only what it says."""

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
    utility: str
    """Questions or exchanges with right answers, for the utility importance that safety-only masks leave out."""


class EnhanceFiles(Options):
    """What SET learns from."""

    refusals: str
    """Harmful prompts with safe responses."""
    harmless: str
    """Harmless prompts with helpful responses."""


class SelectOptions(Options):
    """How masks are cut from scores."""

    fraction: float = Field(default=0.01, gt=0, lt=1)
    """Share of the scored entries that every mask selects, in (0, 1)."""
    utility_fraction: float = Field(default=0.05, gt=0, lt=1)
    """Share of the scored entries, the most important ones for utility, that safety-only masks leave out, in (0, 1)."""


class VerifyOptions(Options):
    """How noise is put on the selected weights."""

    ratios: tuple[float, ...] = (0.38, 2.0, 4.0)
    """Strengths of the noise, in standard deviations of the matrix that an entry belongs to; the paper's is 0.38. None
    at all, and nothing is verified."""
    draws: int = Field(default=5, ge=1)
    """Draws of the noise at every strength."""
    limit: int | None = Field(default=None, ge=1)
    """Prompts of every file that a draw is measured on, the first ones; None takes all. Draws differ more."""


class RunConfig(Options):
    """A whole run: what is located is verified; SET and SPA are done where there is something to do them with."""

    model: str
    """An aligned model: located, verified and adapted. A folder, a hub id or `testbed:NAME`; `MODEL#NAME=VALUE` gives
    its chat template an argument."""
    judge: str = REFUSAL_RULES
    """Optional. A causal guard model that answers safe or unsafe, a sequence classifier with such labels, or api:MODEL.
    Left out, the refusal rules judge: safety is then the share of harmful prompts that are not refused, and attack
    success is not measured."""
    unaligned: str | None = None
    """A model that helps with all: enhanced, with `refusals`. Left out, there is no SET."""
    task: str | None = None
    """Exchanges of a task that the aligned model is adapted to. Left out, there is no SPA."""
    enhance_arms: tuple[EnhanceArm, ...] = get_args(EnhanceArm)
    """SET on which weights: the mask top, its controls, top without harmless examples (refusals_alone), or all of them
    (full)."""
    adapt_arms: tuple[AdaptArm, ...] = get_args(AdaptArm)
    """SPA that holds which weights: none (plain), the mask top (protected), or one of its controls."""
    enhance_objective: SafetyObjective = "judge_gradient"
    """What SET's weights are scored by: judge_gradient stands for the objective of the table score. A model that never
    refuses gives it no refusal to move towards; refusal_likelihood, of the safe responses that SET teaches, does."""
    full_learning_rate: float | None = Field(default=None, gt=0)
    """Learning rate of SET's control that tunes all weights, where that of 1% would break the model."""
    seed: Seed = 0
    """Seed of everything random: masks, noise, halves, order of the examples."""
    workers: int = Field(default=1, ge=1)
    """Processes that work side by side; 1 on a GPU."""
    threads: int = Field(default=1, ge=1)
    """Cores for each of them."""
    calibration: ScoreFiles
    suite: SuiteFiles
    refusals: EnhanceFiles | None = None
    """What SET learns from."""
    judging: JudgeOptions = JudgeOptions()
    """How the judge is read."""
    generate: OneResponse = GenerateOptions()
    """How responses are made that are judged."""
    calibrate: GenerateOptions = GenerateOptions()
    """How responses are made that scores come from. Whether a model refuses is decided in its first tokens: a few of
    them score that decision, many score the wording."""
    score: ScoringOptions = ScoringOptions()
    """How weights are scored."""
    select: SelectOptions = SelectOptions()
    """How masks are cut from scores."""
    verify: VerifyOptions = VerifyOptions()
    """How noise is put on the selected weights."""
    enhance: EnhanceOptions = EnhanceOptions()
    """How SET trains."""
    adapt: AdaptOptions = AdaptOptions()
    """How SPA trains."""

    @model_validator(mode="after")
    def _refuse_objectives(self) -> Self:
        if self.score.objective == "utility":
            raise ValueError("score.objective utility is no measure of safety; choose another, or leave it out.")
        refuse_no_gradient(self.score.objective, self.judge)
        return self

    @model_validator(mode="after")
    def _refuse_idle(self) -> Self:
        for name in ("enhance_arms", "adapt_arms"):
            if len(set(getattr(self, name))) < len(getattr(self, name)):
                raise ValueError(f"{name} names an arm twice: {', '.join(getattr(self, name))}; name each once.")
        if (self.unaligned is None) != (self.refusals is None):
            raise ValueError("SET takes a model, unaligned, and what it learns from, refusals; give both or neither.")
        without = {
            "unaligned": (self.unaligned, ("enhance", "enhance_arms", "enhance_objective", "full_learning_rate")),
            "task": (self.task, ("adapt", "adapt_arms")),
        }
        for needed, (given, settings) in without.items():
            for name in settings:
                if given is None and getattr(self, name) != type(self).model_fields[name].default:
                    raise ValueError(f"{name} has no effect without {needed}; give {needed}, or leave {name} out.")
        return self

    def refusals_to_score(self, objective: SafetyObjective) -> str | None:
        """The given refusals whose likelihood scores a model; None where its own responses are judged."""
        if objective == "refusal_likelihood" and self.refusals:
            return self.refusals.refusals
        return self.calibration.harmful if self.score.objective == "refusal_likelihood" else None


class BakeoffConfig(Options):
    """Scores and selectors to compare."""

    model: str
    """An aligned model. A folder, a hub id or `testbed:NAME`."""
    judge: str = REFUSAL_RULES
    """A causal guard model that answers safe or unsafe. Left out, the refusal rules judge."""
    judging: JudgeOptions = JudgeOptions()
    """How the judge is read."""
    calibration: ScoreFiles
    """What makes the scores."""
    refusals: str | None = None
    """Harmful prompts with safe responses, for the objective refusal_likelihood."""
    suite: SuiteFiles
    """What safety and utility are measured on; never the prompts that make the scores."""
    methods: tuple[str, ...] = ("esi", "gradient_magnitude", "snip", "wanda", "magnitude", "random")
    """Formulas; the first is also what further objectives and selectors are tried with."""
    objectives: tuple[Estimator | Literal["refusal_likelihood"], ...] = ("judge_gradient",)
    """Objectives; the first is also what every method and selector is tried with."""
    selectors: tuple[str, ...] = ("top", "safety_only", "bottom")
    """Selectors; the first is also what every method and objective is tried with. A random selection of every size is
    the method random."""
    fractions: tuple[float, ...] = (0.01, 0.003, 0.03, 0.1)
    """Shares of the scored entries; stability is measured at the first."""
    noise_ratio: float = Field(default=2.0, gt=0)
    """Strength of the noise on the selections, in standard deviations of the matrix that an entry belongs to."""
    draws: int = Field(default=3, ge=1)
    """Draws of that noise."""
    limit: int | None = Field(default=128, ge=1)
    """Prompts of every evaluation file, the first ones; None takes all."""
    seeds: tuple[Seed, ...] = ()
    """Further seeds under which the first method is scored on every objective: does the answer depend on the draw? Of
    greedy responses there is no draw, and nothing can differ."""
    groups: int = Field(default=50, ge=3)
    """Groups of weights, at least, on which predicted and measured change of safety are compared."""
    group_noise_ratio: float = Field(default=0.38, gt=0)
    """Strength of the noise on a group."""
    group_draws: int = Field(default=16, ge=2)
    """Draws of that noise."""
    branches: int | None = Field(default=64, ge=2)
    """First tokens a prompt over which safety is expected; None takes the whole vocabulary."""
    generate: OneResponse = GenerateOptions()
    """How responses are made that are judged."""
    calibrate: GenerateOptions = GenerateOptions()
    """How responses are made that scores come from."""
    select: SelectOptions = SelectOptions()
    seed: Seed = 0
    """Seed of everything random."""

    @model_validator(mode="after")
    def _refuse_no_gradient(self) -> Self:
        for objective in self.objectives:
            refuse_no_gradient(objective, self.judge)
        return self
