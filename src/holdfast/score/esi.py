"""ESI(w) = |mean over prompts of dS/dw| * sigma,   sigma = std of the matrix that w belongs to   (log-odds per sigma)

Expected Safety Impact (Qi et al. 2026, arXiv 2604.08297): to first order, how far S moves when w moves by one sigma.
The absolute value is taken last: weights whose effect differs in sign from prompt to prompt cancel. Within one matrix
the ranking is by |gradient|; sigma is the exchange rate between matrices. With a utility objective in place of S it
is the utility importance that set difference subtracts.

Deviation: where one tensor stores several matrices (fused experts, fused qkv) sigma is taken of each, so that the
storage layout does not change the ranking. sigma is the sample standard deviation, in float32.
"""

from jaxtyping import Float
from torch import Tensor

from holdfast.score.registry import SCORES, ScoreMethod


def esi(
    weight: Float[Tensor, "..."], gradient: Float[Tensor, "..."], sigma: Float[Tensor, "..."]
) -> Float[Tensor, "..."]:
    """|gradient * sigma|, given the gradient's mean over prompts."""
    return (gradient * sigma).abs_()


SCORES.register("esi")(ScoreMethod(esi, unit="{objective} per sigma"))
