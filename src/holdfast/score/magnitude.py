"""score(w) = |w|   (weight)

A control without prompts, judge or gradient: it shows how well size alone finds safety-critical weights.
"""

from jaxtyping import Float
from torch import Tensor

from holdfast.score.registry import SCORES, ScoreMethod


def magnitude(
    weight: Float[Tensor, "..."], nothing: Float[Tensor, "0"], sigma: Float[Tensor, "..."]
) -> Float[Tensor, "..."]:
    """Returns |weight|, float32."""
    return weight.float().abs()


SCORES.register("magnitude")(ScoreMethod(magnitude, unit="weight", needs="nothing"))
