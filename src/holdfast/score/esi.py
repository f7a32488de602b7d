"""ESI(w) = |mean over prompts of dS/dw| * sigma,   sigma = std of the matrix that w belongs to   (log-odds per sigma)

Expected Safety Impact (Qi et al. 2026, arXiv 2604.08297): the first-order change of S when w moves by one sigma. The
absolute value is taken last, so a weight whose effect changes sign from prompt to prompt cancels. Within one matrix the
ranking is by |gradient|. sigma makes matrices comparable with each other. With a utility objective in place of S it is
the utility importance that set difference subtracts.

Deviation: where one tensor stores several matrices (fused experts, fused qkv), each matrix has its own sigma, so that
the storage layout does not change the ranking. sigma is the sample standard deviation, in float32.
"""

from jaxtyping import Float
from torch import Tensor

from holdfast.score.registry import SCORES, ScoreMethod


def esi(
    weight: Float[Tensor, "..."], gradient: Float[Tensor, "..."], sigma: Float[Tensor, "..."]
) -> Float[Tensor, "..."]:
    """Returns |gradient * sigma|, given the gradient's mean over prompts."""
    return (gradient * sigma).abs_()


SCORES.register("esi")(ScoreMethod(esi, unit="{objective} per sigma"))
