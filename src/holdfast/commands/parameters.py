"""Parameters that several commands share."""

from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from holdfast.config import MAX_SEED
from holdfast.intervene.options import AdaptOptions, EnhanceOptions
from holdfast.models.options import GenerateOptions
from holdfast.pipeline.config import (
    JudgeOptions,
    LayerWiseOptions,
    MeasureOptions,
    ScoringOptions,
    SuiteFiles,
    VerifyOptions,
)

Seed = Annotated[int, Parameter(validator=Number(gte=0, lte=MAX_SEED))]
Suite = Annotated[SuiteFiles, Parameter(name="*")]
Measures = Annotated[MeasureOptions, Parameter(name="*")]
Generation = Annotated[GenerateOptions, Parameter(name="generate")]
Judging = Annotated[JudgeOptions, Parameter(name="*")]
Scoring = Annotated[ScoringOptions, Parameter(name="*")]
LayerWise = Annotated[LayerWiseOptions, Parameter(name="*")]
Verify = Annotated[VerifyOptions, Parameter(name="*")]
Enhance = Annotated[EnhanceOptions, Parameter(name="*")]
Adapt = Annotated[AdaptOptions, Parameter(name="*")]
