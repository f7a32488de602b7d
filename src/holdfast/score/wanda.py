"""score(w_ij) = |w_ij| * sqrt(mean over responses of the sum of x_j^2)   (weight times input)

Wanda (Sun et al. 2024, arXiv 2306.11695) scores a weight by its size times the size of its input. x_j is input j of w's
matrix at the positions that predict the response. Wei et al. 2024 (arXiv 2402.05162) find safety-critical weights with
it, from the model's own refusals.

Deviation: they rank within every row of outputs. Our scores are ranked over the whole model, like all others. The score
uses no gradient, and so no judge: a large value means that the response uses the weight, whether or not safety depends
on it.
"""

from jaxtyping import Float
from torch import Tensor

from holdfast.score.registry import SCORES, ScoreMethod


def wanda(
    weight: Float[Tensor, "..."], squares: Float[Tensor, "..."], sigma: Float[Tensor, "..."]
) -> Float[Tensor, "..."]:
    """Returns |weight| times the norm of its input, given the inputs' mean squares."""
    return weight.float().abs() * squares.sqrt()


SCORES.register("wanda")(ScoreMethod(wanda, unit="weight times input", needs="inputs"))
