"""Parameters that several commands share."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from holdfast.config import MAX_SEED
from holdfast.intervene.edit.options import SteeringOptions
from holdfast.intervene.method_options import CombineOptions, MethodOptions
from holdfast.intervene.options import AdaptOptions, EnhanceOptions
from holdfast.intervene.train.methods import methods_help
from holdfast.models.options import GenerateOptions, ServedOptions
from holdfast.option_groups import JUDGED, MEASURED, METHOD, NEURONS, PRESERVE, RESPONSES, SEVERAL, STEERED
from holdfast.pipeline.options import (
    JudgeOptions,
    LayerWiseOptions,
    MeasureOptions,
    NeuronOptions,
    SafetyFiles,
    ScoringOptions,
    SuiteFiles,
    VerifyOptions,
)

SAFETY_JUDGE = """Judge of responses to harmful prompts.

- FOLDER, hub id or testbed:NAME: a guard model or classifier whose verdicts are safe and unsafe
- api:MODEL: a model asked over the network
- refusal: built-in rules, which measure the share of harmful prompts not refused, and no attack success"""
Seed = Annotated[int, Parameter(validator=Number(gte=0, lte=MAX_SEED)), METHOD]
Judge = Annotated[str | None, JUDGED]
SafetyJudge = Annotated[str, Parameter(help=SAFETY_JUDGE), JUDGED]
JudgeCards = Annotated[tuple[Path, ...], Parameter(negative=""), JUDGED]
Suite = Annotated[SuiteFiles, Parameter(name="*")]
Measures = Annotated[MeasureOptions, Parameter(name="*"), MEASURED]
Served = Annotated[ServedOptions, Parameter(name="*"), RESPONSES]
Steer = Annotated[SteeringOptions, Parameter(name="steer"), STEERED]
Generation = Annotated[GenerateOptions, Parameter(name="generate"), RESPONSES]
Judging = Annotated[JudgeOptions, Parameter(name="*"), JUDGED]
Scoring = Annotated[ScoringOptions, Parameter(name="*"), METHOD]
Neurons = Annotated[NeuronOptions, Parameter(name="*"), NEURONS]
LayerWise = Annotated[LayerWiseOptions, Parameter(name="*"), SEVERAL]
Verify = Annotated[VerifyOptions, Parameter(name="*"), METHOD]
Enhance = Annotated[EnhanceOptions, Parameter(name="*"), METHOD]
Adapt = Annotated[AdaptOptions, Parameter(name="*"), METHOD]
Method = Annotated[
    str | None,
    Parameter(help=methods_help("One, or several joined by +. By default spa with a mask, else plain.")),
    METHOD,
]
EnhanceMethod = Annotated[
    str | None,
    Parameter(
        help="Method of fine-tuning. By default set with a mask, and plain without one. set+gapo, set+p_gapo and "
        "set+mgda combine the gradients of refusals and harmless exchanges in place of their fixed mixture."
    ),
    METHOD,
]
Safety = Annotated[SafetyFiles, Parameter(name="*"), PRESERVE]
Preserve = Annotated[MethodOptions, Parameter(name="*"), PRESERVE]
Combine = Annotated[CombineOptions, Parameter(name="*"), PRESERVE]
