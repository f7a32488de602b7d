"""The config of a whole run: models, prompt sets and the options of every stage."""

from pathlib import PurePath
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from holdfast.arms import Stage, arm_named, arms_of, help_on, usual_arms
from holdfast.config import Options, Seed
from holdfast.intervene.method_options import MethodOptions
from holdfast.intervene.options import AdaptOptions, EnhanceOptions
from holdfast.intervene.train.methods import method_named, refuse_unread
from holdfast.judge.options import REFUSAL_RULES
from holdfast.models.options import GenerateOptions
from holdfast.objective.registry import DEFAULT, OBJECTIVES, is_safety
from holdfast.pipeline.options import (
    CalibrationFiles,
    EnhanceFiles,
    EnhanceObjective,
    JudgeOptions,
    OneResponse,
    SafetyFiles,
    ScoringOptions,
    SelectOptions,
    SuiteFiles,
    VerifyOptions,
    refuse_no_gradient,
    uses_objective,
)

if TYPE_CHECKING:  # a checker cannot read names from a table
    EnhanceArm = str
    AdaptArm = str
else:
    EnhanceArm, AdaptArm = (Literal[tuple(arms_of(stage))] for stage in ("enhance", "adapt"))
LEARNS_FROM: dict[Stage, str] = {"enhance": "refusals", "adapt": "task"}
"""Setting that names the training data of a stage."""


def _utility_of(calibration: object) -> object:
    """Returns the utility prompts of a calibration, before or after validation."""
    return calibration.get("utility") if isinstance(calibration, dict) else getattr(calibration, "utility", None)


class RunConfig(Options):
    """A whole run: it locates and verifies `model`, and runs SET and SPA where their prompt sets are given."""

    model: str
    """Aligned model to locate, verify and adapt: a folder, a hub id or `testbed:NAME`. `MODEL#NAME=VALUE` gives its
    chat template an argument."""
    judge: str = REFUSAL_RULES
    """Optional. A causal guard model that answers safe or unsafe, a sequence classifier with such labels, or api:MODEL.
    By default the refusal rules judge. The run then measures the share of harmful prompts that are not refused, and no
    attack success."""
    unaligned: str | None = None
    """Model that SET enhances with the prompts of `refusals`: one that helps with everything. By default SET enhances
    `model`. Without `refusals`, the run skips SET."""
    task: str | None = None
    """Exchanges of a task to adapt the aligned model to. Without it, the run skips SPA."""
    enhance_arms: tuple[EnhanceArm, ...] = Field(
        default=usual_arms("enhance"),
        description=f"Weights that SET trains, one arm each. By default all arms.\n\n{help_on('enhance')}",
    )
    adapt_arms: tuple[AdaptArm, ...] = Field(
        default=usual_arms("adapt"),
        description="Weights that SPA holds, or other methods that keep safety, one arm each. By default "
        f"{', '.join(usual_arms('adapt'))}.\n\n{help_on('adapt')}",
    )
    enhance_objective: EnhanceObjective = DEFAULT
    """Objective that scores the weights of SET. The value judge_gradient means the objective that the table `score`
    names. For a model that never refuses, choose refusal_likelihood, which scores by the safe responses that SET
    teaches. Without noise and a task, it also scores `model`, if SET enhances that one."""
    full_learning_rate: float | None = Field(default=None, gt=0, lt=1)
    """Learning rate of the arm full, which tunes all weights. Set it where the learning rate for 1% of the weights
    would break the model."""
    seed: Seed = 0
    """Seed of all random numbers: masks, noise, halves, order of the examples."""
    workers: int = Field(default=1, ge=1)
    """Processes that work at the same time. Use 1 on a GPU."""
    threads: int = Field(default=1, ge=1)
    """Cores for each process."""
    calibration: CalibrationFiles = CalibrationFiles()
    suite: SuiteFiles
    refusals: EnhanceFiles | None = None
    """Prompt sets that SET learns from."""
    judging: JudgeOptions = JudgeOptions()
    """Options of the judge."""
    generate: OneResponse = GenerateOptions()
    """Options of generation for the responses that the judge reads."""
    calibrate: GenerateOptions = GenerateOptions()
    """Options of generation for the responses from which scores are made. A model decides on refusal in its first
    tokens. A limit of a few tokens scores that decision, a long one scores the wording."""
    score: ScoringOptions = ScoringOptions()
    """Options of scoring."""
    select: SelectOptions = SelectOptions()
    """Options of the selection of masks."""
    verify: VerifyOptions = VerifyOptions()
    """Options of the noise on the selected weights."""
    enhance: EnhanceOptions = EnhanceOptions()
    """Options of SET's training."""
    methods: MethodOptions = MethodOptions()
    """Options of the arms of SPA that name another method. Their safety prompts are those of `calibration`, and those
    of `mixed` are the refusals of `refusals`."""
    adapt: AdaptOptions = AdaptOptions()
    """Options of SPA's training."""

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, given: object) -> object:
        """Takes `model` where no model for SET is named, and drops safety-only arms without utility prompts."""
        if not isinstance(given, dict):
            return given
        filled = dict(given)
        if filled.get("refusals") and not filled.get("unaligned"):
            filled["unaligned"] = filled.get("model")
        if not _utility_of(filled.get("calibration")):
            for stage, needed in LEARNS_FROM.items():
                if filled.get(needed) and f"{stage}_arms" not in filled:
                    filled[f"{stage}_arms"] = tuple(
                        name for name in usual_arms(stage) if not arm_named(stage, name).needs_utility
                    )
        return filled

    @model_validator(mode="after")
    def _refuse_safety_only(self) -> Self:
        for stage, needed in LEARNS_FROM.items():
            idle = [name for name in getattr(self, f"{stage}_arms") if arms_of(stage)[name].needs_utility]
            if getattr(self, needed) and idle and self.calibration.utility is None:
                raise ValueError(
                    f"{stage}_arms has {idle[0]}, a mask of weights that matter to safety and not to utility, but "
                    f"there are no utility scores; give calibration.utility, or leave {idle[0]} out."
                )
        return self

    @model_validator(mode="after")
    def _refuse_objectives(self) -> Self:
        objective = self.score.objective
        if not is_safety(OBJECTIVES[objective]):
            raise ValueError(f"score.objective {objective} is no measure of safety; choose another, or leave it out.")
        if uses_objective(self.score):
            refuse_no_gradient(objective, self.judge)
        return self

    @model_validator(mode="after")
    def _refuse_idle(self) -> Self:
        for name in ("enhance_arms", "adapt_arms"):
            if len(set(getattr(self, name))) < len(getattr(self, name)):
                raise ValueError(f"{name} names an arm twice: {', '.join(getattr(self, name))}; name each once.")
        if self.unaligned is not None and self.refusals is None:
            raise ValueError("SET of the model `unaligned` needs `refusals` to learn from; give both or neither.")
        without = {
            "unaligned": (self.unaligned, ("enhance", "enhance_arms", "enhance_objective", "full_learning_rate")),
            "task": (self.task, ("adapt", "adapt_arms", "methods")),
        }
        for needed, (given, settings) in without.items():
            for name in settings:
                if given is None and getattr(self, name) != type(self).model_fields[name].default:
                    raise ValueError(f"{name} has no effect without {needed}; give {needed}, or leave {name} out.")
        return self

    @model_validator(mode="after")
    def _refuse_methods(self) -> Self:
        arms = [arm_named("adapt", name) for name in self.adapt_arms]
        refuse_unread([arm.method for arm in arms], self.methods)
        if self.task and self.refusals is None and any(arm.method == "mixed" for arm in arms):
            raise ValueError(
                "adapt_arms has mixed, which mixes refusals into the task, and there are none; give refusals, or use "
                "replay."
            )
        return self

    def safety_of(self, arm: str) -> SafetyFiles:
        """Returns the safety data of an arm: refusals, prompts to answer, or none."""
        source = method_named(arm_named("adapt", arm).method).safety
        if source is None:
            return SafetyFiles()
        given = self.refusals.refusals if self.refusals else None
        return SafetyFiles(safety=given if source == "given" else self.harmful, held_out=self.suite.harmful)

    @model_validator(mode="after")
    def _refuse_calibration(self) -> Self:
        if self._scores_harmful and self.calibration.harmful is None:
            raise ValueError(
                "calibration.harmful is missing; add it: harmful prompts, from which the weights are scored."
            )
        if self.calibration.harmful is not None and not self._scores_harmful:
            raise ValueError(
                f"calibration.harmful has no effect: {self.enhance_objective} scores the weights from "
                "refusals.refusals, and this run scores nothing else. Leave calibration.harmful out."
            )
        return self

    @property
    def _scores_harmful(self) -> bool:
        """True where a stage makes scores from `calibration.harmful`, or replays answers to it."""
        if self.task and any(method_named(arm_named("adapt", name).method).safety == "own" for name in self.adapt_arms):
            return True
        objectives = {self.located_by, self.enhance_objective if self.refusals else self.located_by}
        return self.refusals is None or not all(OBJECTIVES[objective].given for objective in objectives)

    @property
    def harmful(self) -> str:
        """Prompts that make scores for safety: those of `calibration`, or SET's refusals where nothing reads these."""
        harmful = self.calibration.harmful or (self.refusals and self.refusals.refusals)
        assert harmful is not None  # a run without refusals needs calibration.harmful
        return harmful

    @property
    def is_one_model(self) -> bool:
        """True where SET enhances `model` itself, or the run has no SET."""
        return self.unaligned in (None, self.model)

    @property
    def is_located_once(self) -> bool:
        """True where one scoring serves SET and the other stages: one model, scored alike or for SET alone."""
        here, there = (self._scored_from(objective) for objective in (self.located_by, self.enhance_objective))
        return self.unaligned == self.model and here == there

    @property
    def located_by(self) -> EnhanceObjective:
        """Objective that scores `model`: that of SET, where SET tunes this model and no other stage uses a mask."""
        is_for_set_alone = self.unaligned == self.model and self.task is None and not self.verify.ratios
        return self.enhance_objective if is_for_set_alone else DEFAULT

    @property
    def is_evaluated_once(self) -> bool:
        """True where both stages start from the same evaluation."""
        return self.unaligned == self.model and self.suite.task is None

    def _scored_from(self, objective: EnhanceObjective) -> tuple[str, PurePath]:
        """Returns the objective that scores a model, and the prompt set, where ./a.jsonl equals a.jsonl."""
        return self.scored_by(objective), PurePath(self.refusals_to_score(objective) or self.harmful)

    def scored_by(self, objective: EnhanceObjective) -> EnhanceObjective:
        """Returns the objective that scores a model: one that reads SET's refusals, or that of the table `score`."""
        return objective if OBJECTIVES[objective].given and self.refusals else self.score.objective

    def refusals_to_score(self, objective: EnhanceObjective) -> str | None:
        """Returns the given refusals whose likelihood scores a model. None where a judge is used instead."""
        if OBJECTIVES[objective].given and self.refusals:
            return self.refusals.refusals
        return self.calibration.harmful if OBJECTIVES[self.score.objective].given else None

    def given_options(self, objective: str) -> ScoringOptions:
        """Returns the options of a scoring by given responses.

        They are those of `score` if it names the objective. Otherwise only its settings of memory apply.
        """
        if self.score.objective == objective:
            return self.score
        sizes = {"token_budget": self.score.token_budget, "sums_on_host": self.score.sums_on_host}
        return ScoringOptions(objective=objective, **sizes)
