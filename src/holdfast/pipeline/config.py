"""What a whole run is made of: models, prompt sets and the options of every stage."""

from pathlib import Path
from typing import Annotated, Literal, Self, get_args

from pydantic import AfterValidator, Field, field_validator, model_validator

from holdfast.config import Options, Seed
from holdfast.estimators import TEMPERATURE, Estimator, Likelihood, Reduction, RelaxationKind
from holdfast.intervene.options import AdaptOptions, EnhanceOptions
from holdfast.judge.options import REFUSAL_RULES, ClassifierOptions, GuardOptions, RubricOptions
from holdfast.models.options import GenerateOptions, refuse_other_engine
from holdfast.option_groups import CLASSIFIERS, ENDPOINTS, FINE, GUARDS, JUDGED, SEVERAL

SafetyObjective = Literal["judge_gradient", "refusal_likelihood"]
EnhanceArm = Literal["top", "safety_only", "random", "bottom", "refusals_alone", "full"]
SAFETY_ONLY = "safety_only"
"""The arms whose mask takes utility scores."""
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
    """Quantity that a weight's effect is measured on. Without a guard model choose refusal_likelihood. Or choose
    policy_gradient, for a model that refuses some of the prompts: it rewards refusals, found by the built-in rules.

    - judge_gradient: safety of the model's responses, by the judge's gradient
    - policy_gradient: safety of sampled responses as a reward, from any judge
    - control_variate: policy gradient made less noisy by the judge's gradient
    - mix: judge gradient for few responses, control variate for many
    - refusal_likelihood: likelihood of given refusals; needs no judge
    - utility: likelihood of given right answers; needs no judge
    """
    method: str = "esi"
    """Formula of the score.

    - esi: gradient times the spread of the matrix's weights (the paper's)
    - gradient_magnitude: gradient alone
    - snip: gradient times the weight
    - wanda: weight times the size of its inputs; no gradient, so no judge's say
    - magnitude: size of the weight, a control
    - random: noise, a control
    """
    reduction: Annotated[Reduction | None, FINE] = None
    """Combines the tokens of a response. When left out: mean for judge_gradient, sum for all other objectives, which
    are unbiased only with sum.

    - mean: every response counts alike
    - sum: every token counts alike, so that long responses count more
    """
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


def _utility_of(calibration: object) -> object:
    """The utility prompts of a calibration that was not read yet, or that was."""
    return calibration.get("utility") if isinstance(calibration, dict) else getattr(calibration, "utility", None)


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
    """A model that SET enhances, with the prompts of `refusals`: one that helps with everything. Left out, SET enhances
    `model`. Without `refusals`, SET is skipped."""
    task: str | None = None
    """Exchanges of a task to adapt the aligned model to. Left out, SPA is skipped."""
    enhance_arms: tuple[EnhanceArm, ...] = get_args(EnhanceArm)
    """Weights that SET trains, one arm each. All of them when left out.

    - top: the mask
    - safety_only, random, bottom: its controls
    - refusals_alone: the mask, without harmless examples
    - full: all weights
    """
    adapt_arms: tuple[AdaptArm, ...] = get_args(AdaptArm)
    """Weights that SPA holds, one arm each. All of them when left out.

    - plain: none
    - protected: the mask
    - safety_only, random_protected: its controls
    """
    enhance_objective: SafetyObjective = "judge_gradient"
    """Objective that scores the weights of SET. With judge_gradient, it is the objective that the table score names.
    For a model that never refuses take refusal_likelihood, which scores by the safe responses that SET teaches."""
    full_learning_rate: float | None = Field(default=None, gt=0)
    """Learning rate of the arm full, which tunes all weights, where that of 1% would break the model."""
    seed: Seed = 0
    """Seed of everything random: masks, noise, halves, order of the examples."""
    workers: int = Field(default=1, ge=1)
    """Processes that work at the same time. 1 on a GPU."""
    threads: int = Field(default=1, ge=1)
    """Cores for each process."""
    calibration: ScoreFiles
    suite: SuiteFiles
    refusals: EnhanceFiles | None = None
    """What SET learns from."""
    judging: JudgeOptions = JudgeOptions()
    """How the judge is read."""
    generate: OneResponse = GenerateOptions()
    """How the responses are made that the judge reads."""
    calibrate: GenerateOptions = GenerateOptions()
    """How the responses are made that scores come from. A model decides on refusal in its first tokens: a limit of a
    few tokens scores that decision, a long one scores the wording."""
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

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, given: object) -> object:
        """SET enhances `model` where no other is named; without utility scores no arm is safety-only."""
        if not isinstance(given, dict):
            return given
        filled = dict(given)
        if filled.get("refusals") and not filled.get("unaligned"):
            filled["unaligned"] = filled.get("model")
        if not _utility_of(filled.get("calibration")):
            for needed, name, arms in (("refusals", "enhance_arms", EnhanceArm), ("task", "adapt_arms", AdaptArm)):
                if filled.get(needed) and name not in filled:
                    filled[name] = tuple(arm for arm in get_args(arms) if arm != SAFETY_ONLY)
        return filled

    @model_validator(mode="after")
    def _refuse_safety_only(self) -> Self:
        for name, needed in (("enhance_arms", self.refusals), ("adapt_arms", self.task)):
            if needed and SAFETY_ONLY in getattr(self, name) and self.calibration.utility is None:
                raise ValueError(
                    f"{name} has {SAFETY_ONLY}, a mask of what matters to safety and not to utility, and there are no "
                    f"utility scores; give calibration.utility, or leave {SAFETY_ONLY} out."
                )
        return self

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
        if self.unaligned is not None and self.refusals is None:
            raise ValueError("SET of the model unaligned takes what it learns from, refusals; give both or neither.")
        without = {
            "unaligned": (self.unaligned, ("enhance", "enhance_arms", "enhance_objective", "full_learning_rate")),
            "task": (self.task, ("adapt", "adapt_arms")),
        }
        for needed, (given, settings) in without.items():
            for name in settings:
                if given is None and getattr(self, name) != type(self).model_fields[name].default:
                    raise ValueError(f"{name} has no effect without {needed}; give {needed}, or leave {name} out.")
        return self

    @property
    def is_located_once(self) -> bool:
        """Whether one model is scored for both stages, from the same prompts."""
        here, there = (self.refusals_to_score(objective) for objective in ("judge_gradient", self.enhance_objective))
        return self.unaligned == self.model and here == there

    @property
    def is_evaluated_once(self) -> bool:
        """Whether one evaluation is where both stages start."""
        return self.unaligned == self.model and self.suite.task is None

    def refusals_to_score(self, objective: SafetyObjective) -> str | None:
        """The given refusals whose likelihood scores a model; None where its own responses are judged."""
        if objective == "refusal_likelihood" and self.refusals:
            return self.refusals.refusals
        return self.calibration.harmful if self.score.objective == "refusal_likelihood" else None

    def likelihood_options(self, objective: Likelihood) -> ScoringOptions:
        """Options of a scoring by given responses.

        Those of `score` where it names the objective. Otherwise only what of them fits batches into memory.
        """
        if self.score.objective == objective:
            return self.score
        sizes = {"token_budget": self.score.token_budget, "sums_on_host": self.score.sums_on_host}
        return ScoringOptions.model_validate({"objective": objective, **sizes})
