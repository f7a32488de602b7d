"""Parameters that several commands share."""

from typing import Annotated

from cyclopts import Parameter

from holdfast.intervene.adapt import AdaptOptions
from holdfast.intervene.enhance import EnhanceOptions
from holdfast.models.generate import GenerateOptions
from holdfast.pipeline.config import ScoringOptions, SelectOptions, SuiteFiles, VerifyOptions

Json = Annotated[bool, Parameter(name="--json", negative="")]
Suite = Annotated[SuiteFiles, Parameter(name="*")]
Generation = Annotated[GenerateOptions, Parameter(name="generate")]
Scoring = Annotated[ScoringOptions, Parameter(name="*")]
Select = Annotated[SelectOptions, Parameter(name="*")]
Verify = Annotated[VerifyOptions, Parameter(name="*")]
Enhance = Annotated[EnhanceOptions, Parameter(name="*")]
Adapt = Annotated[AdaptOptions, Parameter(name="*")]
