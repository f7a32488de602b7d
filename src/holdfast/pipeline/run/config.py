"""The config of a whole run: models, prompt sets and the options of every stage."""

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from holdfast.arms import Stage, arms_of, help_on
from holdfast.config import Options, Seed
from holdfast.estimators import Likelihood
from holdfast.intervene.options import AdaptOptions, EnhanceOptions
from holdfast.judge.options import REFUSAL_RULES
from holdfast.models.options import GenerateOptions
from holdfast.pipeline.options import (
    EnhanceFiles,
    JudgeOptions,
    OneResponse,
    SafetyObjective,
    ScoreFiles,
    ScoringOptions,
    SelectOptions,
    SuiteFiles,
    VerifyOptions,
    refuse_no_gradient,
)

if TYPE_CHECKING:  # a checker cannot read names from a table
    EnhanceArm = str
    AdaptArm = str
else:
    EnhanceArm, AdaptArm = (Literal[tuple(arms_of(stage))] for stage in ("enhance", "adapt"))
LEARNS_FROM: dict[Stage, str] = {"enhance": "refusals", "adapt": "task"}
"""The setting that names what a stage learns from."""


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
    enhance_arms: tuple[EnhanceArm, ...] = Field(
        default=tuple(arms_of("enhance")),
        description=f"Weights that SET trains, one arm each. All of them when left out.\n\n{help_on('enhance')}",
    )
    adapt_arms: tuple[AdaptArm, ...] = Field(
        default=tuple(arms_of("adapt")),
        description=f"Weights that SPA holds, one arm each. All of them when left out.\n\n{help_on('adapt')}",
    )
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
            for stage, needed in LEARNS_FROM.items():
                if filled.get(needed) and f"{stage}_arms" not in filled:
                    filled[f"{stage}_arms"] = tuple(
                        name for name, arm in arms_of(stage).items() if not arm.needs_utility
                    )
        return filled

    @model_validator(mode="after")
    def _refuse_safety_only(self) -> Self:
        for stage, needed in LEARNS_FROM.items():
            idle = [name for name in getattr(self, f"{stage}_arms") if arms_of(stage)[name].needs_utility]
            if getattr(self, needed) and idle and self.calibration.utility is None:
                raise ValueError(
                    f"{stage}_arms has {idle[0]}, a mask of what matters to safety and not to utility, and there are "
                    f"no utility scores; give calibration.utility, or leave {idle[0]} out."
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
