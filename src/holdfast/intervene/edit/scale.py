"""w <- s * w on selected weights, for good   (s = 0 erases them, s above 1 strengthens them)

On the columns of down_proj that belong to neurons, this scales the neurons' activations by s at every token. DEPN
(arXiv 2310.20138) erases privacy neurons, IRCAN (arXiv 2406.18406) strengthens context neurons by 2 to 20. The product
is computed in float64 and rounded once, to the dtype of the checkpoint. An erased weight is +0.0.
"""

import torch
from jaxtyping import Float
from torch import Tensor


def scaled(values: Float[Tensor, " entries"], scale: float) -> Float[Tensor, " entries"]:
    """Returns the values times the scale, in their dtype.

    Raises:
        ValueError: a product is too large for the dtype.
    """
    product = (values.double() * scale + 0.0).to(values.dtype)
    if bool(torch.isfinite(values).all()) and not bool(torch.isfinite(product).all()):
        raise ValueError(f"a scale of {scale:g} makes weights too large for {values.dtype}; give a smaller one.")
    return product
