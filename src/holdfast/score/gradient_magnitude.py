"""score(w) = |mean over prompts of dS/dw|   (the objective's unit per unit of weight)

ESI without sigma: the same ranking within a matrix, another exchange rate between matrices. A comparison, no more.
"""

from jaxtyping import Float
from torch import Tensor

from holdfast.score.registry import SCORES, ScoreMethod


def gradient_magnitude(
    weight: Float[Tensor, "..."], gradient: Float[Tensor, "..."], sigma: Float[Tensor, "..."]
) -> Float[Tensor, "..."]:
    """|gradient|, given its mean over prompts."""
    return gradient.abs()


SCORES.register("gradient_magnitude")(ScoreMethod(gradient_magnitude, unit="{objective} per unit of weight"))
