"""score(w) = |w * mean over prompts of dS/dw|   (the objective's unit: the first-order cost of removing the weight)

SNIP (Lee, Ajanthan and Torr 2019, arXiv 1810.02340), as Wei et al. 2024 (arXiv 2402.05162) use it to find
safety-critical weights. Deviation: they take the absolute value of each prompt's product and then the mean. We take the
mean first, as for ESI, so that effects of opposite sign cancel.
"""

from jaxtyping import Float
from torch import Tensor

from holdfast.score.registry import SCORES, ScoreMethod


def snip(
    weight: Float[Tensor, "..."], gradient: Float[Tensor, "..."], sigma: Float[Tensor, "..."]
) -> Float[Tensor, "..."]:
    """Returns |weight * gradient|, given the gradient's mean over prompts."""
    return (weight.float() * gradient).abs_()


SCORES.register("snip")(ScoreMethod(snip, unit="{objective}"))
