"""GAPO: d = sum a_i g_i / ||g_i||^p,    a = MGDA's weights of the rescaled gradients g_i / ||g_i||^p

At interior solutions <d, g_i> = ||g_i||^p ||d||^2: a loss with a large gradient, which has most to gain, gets the most
progress. p = 0 is MGDA. With p = 1 every gradient has length 1, and two losses have equal weights (P-GAPO at 1/2, 1/2).
Li et al. 2025 (arXiv 2507.01915, ACL 2025), without released code.

Ours: training rescales the weights to a sum of 1, so that the learning rate keeps its meaning.
"""

import torch

from holdfast.intervene.method_options import MethodOptions
from holdfast.intervene.train.combine.mgda import mgda
from holdfast.intervene.train.combine.weights import Combine, Gram, Weights, unit_sum
from holdfast.intervene.train.parts import Parts


def gapo(gram: Gram, power: float) -> Weights:
    """Returns the weights of GAPO. A gradient of zero makes all of them zero, since no other loss may pay for it."""
    scale = gram.diagonal(dim1=-2, dim2=-1).clamp(min=0).sqrt() ** -power
    scale = torch.where(scale.isfinite(), scale, 0.0)
    return scale * mgda(scale[..., :, None] * gram * scale[..., None, :])


def _make(options: MethodOptions) -> Combine:
    return lambda gram: unit_sum(gapo(gram, options.gapo_power))


PARTS = Parts(combine=_make)
MGDA = Parts(combine=lambda _: mgda)
