"""The config of a bakeoff: a model, prompt sets, and the scores and selectors to compare."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from holdfast.arms import SAFETY_ONLY
from holdfast.config import Options, Seed
from holdfast.judge.options import REFUSAL_RULES
from holdfast.models.options import GenerateOptions
from holdfast.objective.registry import DEFAULT, OBJECTIVES
from holdfast.pipeline.options import (
    JudgeOptions,
    OneResponse,
    SafetyObjective,
    ScoreFiles,
    SelectOptions,
    SuiteFiles,
    refuse_no_gradient,
)


class BakeoffConfig(Options):
    """Scores and selectors to compare."""

    model: str
    """Aligned model: a folder, a hub id or `testbed:NAME`."""
    judge: str = REFUSAL_RULES
    """A causal guard model that answers safe or unsafe. By default the refusal rules judge."""
    judging: JudgeOptions = JudgeOptions()
    """Options of the judge."""
    calibration: ScoreFiles
    """Prompt sets from which scores are made."""
    refusals: str | None = None
    """Harmful prompts with safe responses, for the objective refusal_likelihood."""
    suite: SuiteFiles
    """Prompt sets that measure safety and utility. They share no prompt with those that make the scores."""
    methods: tuple[str, ...] = Field(
        default=("esi", "gradient_magnitude", "snip", "wanda", "magnitude", "random"), min_length=1
    )
    """Formulas to compare. The first one also goes with every other objective and selector."""
    objectives: tuple[SafetyObjective, ...] = Field(default=(DEFAULT,), min_length=1)
    """Objectives to compare. The first one also goes with every other method and selector."""
    selectors: tuple[str, ...] = Field(default=("top", "safety_only", "bottom"), min_length=1)
    """Selectors to compare. The first one also goes with every other method and objective. The method random gives a
    random mask of every size."""
    neurons: tuple[str, ...] = ()
    """Scores of neurons to compare: integrated_gradients, gradient_times_activation, contrast or probe. They are
    measured on `refusals`, and each selects neurons with as many weights as the other masks. The first one also goes
    with random neurons."""
    fractions: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(default=(0.01, 0.003, 0.03, 0.1), min_length=1)
    """Shares of the scored weights. Stability is measured at the first."""
    noise_ratio: float = Field(default=2.0, gt=0)
    """Strength of the noise on the masks, in standard deviations of each weight's matrix."""
    draws: int = Field(default=3, ge=1)
    """Number of random draws of the noise on the masks."""
    limit: int | None = Field(default=128, ge=1)
    """Prompts to take from every evaluation file, counted from its start. None takes all."""
    seeds: tuple[Seed, ...] = ()
    """More seeds, under which the first method is scored again with every objective. They show whether the scores
    depend on the seed. With greedy responses the seed changes nothing."""
    groups: int = Field(default=50, ge=3)
    """Smallest number of groups of weights on which the predicted change of safety is compared with the measured
    one."""
    group_noise_ratio: float = Field(default=0.38, gt=0)
    """Strength of the noise on a group, in standard deviations of each weight's matrix."""
    group_draws: int = Field(default=16, ge=2)
    """Number of random draws of the noise on a group."""
    branches: int | None = Field(default=64, ge=2)
    """First tokens per prompt over which expected safety is summed. None takes the whole vocabulary."""
    generate: OneResponse = GenerateOptions()
    """Options of generation for the responses that the judge reads."""
    calibrate: GenerateOptions = GenerateOptions()
    """Options of generation for the responses from which scores are made."""
    select: SelectOptions = SelectOptions()
    seed: Seed = 0
    """Seed of all random numbers."""

    @model_validator(mode="after")
    def _refuse_no_utility(self) -> Self:
        if SAFETY_ONLY in self.selectors and self.calibration.utility is None:
            raise ValueError(f"selector {SAFETY_ONLY} needs utility scores; give calibration.utility, or leave it out.")
        return self

    @model_validator(mode="after")
    def _refuse_no_gradient(self) -> Self:
        for _, objective in self.scored:
            if objective is not None:
                refuse_no_gradient(objective, self.judge)
        return self

    @property
    def scored(self) -> list[tuple[str, str | None]]:
        """Methods with their objectives: every method with the first objective, and the first with the others.

        A method that uses no objective has none. Wanda's responses can be those that the first objective is given.
        """
        from holdfast.score import SCORES  # loads torch, which a config does without

        first, *further = self.objectives
        has = {
            method: SCORES[method].uses_objective or (OBJECTIVES[first].given and SCORES[method].uses_prompts)
            for method in self.methods
        }
        by_method = [(method, first if has[method] else None) for method in self.methods]
        return by_method + [(self.methods[0], objective) for objective in further if has[self.methods[0]]]
