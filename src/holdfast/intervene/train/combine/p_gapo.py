"""P-GAPO: d = sum lambda_i g_i / ||g_i||   (a preference lambda between losses, whatever the sizes of their gradients)

Li et al. 2025 (arXiv 2507.01915, ACL 2025), one model for each lambda, without released code.

Ours: training rescales the weights to a sum of 1, so that the learning rate keeps its meaning.
"""

from collections.abc import Sequence

import torch

from holdfast.intervene.method_options import MethodOptions
from holdfast.intervene.train.combine.weights import Combine, Gram, Weights, unit_sum
from holdfast.intervene.train.parts import Parts


def p_gapo(gram: Gram, preferences: Sequence[float] = ()) -> Weights:
    """Returns the weights of P-GAPO. Without preferences all losses have the same. A gradient of zero weighs nothing.

    Raises:
        ValueError: there are not as many preferences as losses.
    """
    chosen = torch.tensor(preferences or [1 / len(gram)] * len(gram), dtype=gram.dtype)
    if len(chosen) != len(gram):
        raise ValueError(
            f"preferences has {len(chosen)} numbers and there are {len(gram)} losses; give one number for each, the "
            "task's first."
        )
    norms = gram.diagonal().clamp(min=0).sqrt()
    return torch.where(norms > 0, chosen / norms, 0.0)


def _make(options: MethodOptions) -> Combine:
    return lambda gram: unit_sum(p_gapo(gram, options.preferences))


PARTS = Parts(combine=_make)
