"""score(w) = |mean over prompts of dS/dw|   (the objective's unit per unit of weight)

ESI without sigma: the ranking within a matrix is equal, the comparison between matrices is not. It serves only as a
comparison for ESI.
"""

from jaxtyping import Float
from torch import Tensor

from holdfast.score.registry import SCORES, ScoreMethod


def gradient_magnitude(
    weight: Float[Tensor, "..."], gradient: Float[Tensor, "..."], sigma: Float[Tensor, "..."]
) -> Float[Tensor, "..."]:
    """Returns |gradient|, given its mean over prompts."""
    return gradient.abs()


SCORES.register("gradient_magnitude")(ScoreMethod(gradient_magnitude, unit="{objective} per unit of weight"))
