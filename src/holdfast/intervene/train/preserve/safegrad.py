"""SafeGrad: g = g_task - min(0, <g_task, g_safe>) / ||g_safe||^2 * g_safe + rho * g_safe

The task's gradient loses its component against g_safe, once and over all weights, where the two contradict each other.
g_safe is the gradient of KL(p_start || p_theta) on safety prompts. The formula is that in the text of arXiv 2508.07172,
where rho is 1.

Ours: the projection is over the whole batch of a step, however it is divided, and the KL divergence is that of `kl`, on
the start model's own answers and their largest logits.
"""

import torch

from holdfast.intervene.method_options import MethodOptions
from holdfast.intervene.train.combine.weights import Combine, Gram, Weights
from holdfast.intervene.train.parts import Parts
from holdfast.intervene.train.preserve.kl import divergence_from


def safegrad(gram: Gram, rho: float) -> Weights:
    """Returns the weights of the task's gradient and of the safety gradient.

    Raises:
        ValueError: there are not two losses.
    """
    if len(gram) != 2:
        raise ValueError(f"safegrad projects the task's gradient on one other, and there are {len(gram)} losses.")
    conflict = gram[0, 1].clamp(max=0)
    removed = conflict / gram[1, 1] if gram[1, 1] > 0 else torch.zeros_like(conflict)
    return torch.stack([torch.ones_like(removed), rho - removed])


def _make(options: MethodOptions) -> Combine:
    return lambda gram: safegrad(gram, options.safety_weight)


PARTS = Parts(losses=(divergence_from,), combine=_make)
