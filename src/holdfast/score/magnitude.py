"""score(w) = |w|   (weight; a control: how far does size alone go, without prompts, judge or gradient?)"""

from jaxtyping import Float
from torch import Tensor

from holdfast.score.registry import SCORES, ScoreMethod


def magnitude(
    weight: Float[Tensor, "..."], nothing: Float[Tensor, "0"], sigma: Float[Tensor, "..."]
) -> Float[Tensor, "..."]:
    """|weight|, float32."""
    return weight.float().abs()


SCORES.register("magnitude")(ScoreMethod(magnitude, unit="weight", needs="nothing"))
