"""ESI(w) = |mean over prompts of dS/dw| * sigma,   sigma = std of the matrix that w belongs to   (log-odds per sigma)

Expected Safety Impact (Qi et al. 2026, arXiv 2604.08297): to first order, how far S moves when w moves by one sigma.
The absolute value is taken last: weights whose effect differs in sign from prompt to prompt cancel. Within one matrix
the ranking is by |gradient|; sigma is the exchange rate between matrices. With a utility objective in place of S it
is the utility importance that set difference subtracts.

Deviation: where one tensor stores several matrices (fused experts, fused qkv) sigma is taken of each, so that the
storage layout does not change the ranking. sigma is the sample standard deviation, in float32.
"""

from collections.abc import Sequence

from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from holdfast.config import Options
from holdfast.models.generate import Response
from holdfast.models.layout import sigma
from holdfast.models.load import LoadedModel
from holdfast.models.sites import Site
from holdfast.progress import Progress, silent
from holdfast.score.objective.completions import Reduction
from holdfast.score.objective.gains import DifferentiableJudge
from holdfast.score.objective.judge_gradient import JudgeGradient
from holdfast.score.registry import SCORES, ScoreMethod
from holdfast.score.scoring import ScoreOptions, score
from holdfast.values import Scores


class EsiOptions(Options):
    """Expected Safety Impact by the judge gradient."""

    reduction: Reduction = "mean"
    """Over a response's tokens: `mean` weighs every response alike, `sum` weighs long ones more."""
    token_budget: int = Field(default=4096, ge=1)
    """Tokens of a batch at most, padding counted; changes speed and memory, not the scores."""


def score_esi(
    loaded: LoadedModel,
    judge: DifferentiableJudge,
    responses: Sequence[Response],
    options: EsiOptions = EsiOptions(),
    progress: Progress = silent,
) -> Scores:
    """Expected Safety Impact of every scored weight, from the model's own responses to harmful prompts."""
    objective = JudgeGradient(judge, loaded.tokenizer, responses, options.reduction)
    return score(loaded, objective, ScoreOptions(method="esi", token_budget=options.token_budget), progress)


def esi(weight: Float[Tensor, "..."], gradient: Float[Tensor, "..."], site: Site) -> Float[Tensor, "..."]:
    """|gradient * sigma|, given the gradient's mean over prompts."""
    return (gradient * sigma(weight, site.layout)).abs_()


SCORES.register("esi")(ScoreMethod(esi, unit="{objective} per sigma"))
