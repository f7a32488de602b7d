"""v = mean(h | positive) - mean(h | negative)      (concept vector of one layer)

h is the residual stream that leaves the layer, at the last token of a prompt, in float32. A pair is recognised if its
positive prompt lies further along v than its negative one: v . h_positive > v . h_negative. Half of all pairs are
recognised by a vector that has nothing to do with the concept.

Source: difference of means as in representation engineering (Zou et al. 2023, arXiv 2310.01405), for refusal in Arditi
et al. 2024 (arXiv 2406.11717), for values in several languages in Xu et al. 2024 (arXiv 2402.18120). Our deviation: the
published code takes the largest accuracy over all layers on the test pairs. Here the layer is chosen on other pairs.
"""

from jaxtyping import Float
from torch import Tensor

States = Float[Tensor, "pair d_model"]


def difference_in_means(positive: States, negative: States) -> Float[Tensor, " d_model"]:
    """Computes the mean positive state minus the mean negative one."""
    return positive.mean(0) - negative.mean(0)


def margins(vector: Float[Tensor, " d_model"], positive: States, negative: States) -> Float[Tensor, " pair"]:
    """Computes how much further along a vector each pair's positive state lies, in units of the stream."""
    return (positive - negative) @ (vector / vector.norm().clamp_min(1e-30))
