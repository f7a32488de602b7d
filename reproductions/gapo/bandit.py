"""A problem of two rewards that pull apart: 16 prompts with 32 responses each, and a reward five times as large.

The policy is a softmax over the responses of each prompt, so every expected reward and its gradient are exact. The
first reward is standard normal, the second has a correlation of -0.6 with it, and the first is five times as large.
"""

from collections.abc import Callable

import torch

from holdfast.intervene.train.combine.weights import Gram, Weights

SCALES = torch.tensor([5.0, 1.0], dtype=torch.float64)
PROMPTS, RESPONSES, CORRELATION = 16, 32, -0.6


def gains(combine: Callable[[Gram], Weights], seed: int, steps: int = 20) -> torch.Tensor:
    """Returns how far each expected reward rises above that of an even choice, in its own standard deviations.

    Every step moves the logits by a distance of 1 along the combined gradient, so that no way gains by longer steps.

    Args:
        combine: weights of both gradients, from their inner products.
        seed: draws the rewards.
        steps: number of updates.
    """
    generator = torch.Generator().manual_seed(seed)
    first, other = torch.randn(2, PROMPTS, RESPONSES, generator=generator, dtype=torch.float64)
    second = CORRELATION * first + (1 - CORRELATION**2) ** 0.5 * other
    rewards = torch.stack([first, second]) * SCALES[:, None, None]
    logits = torch.zeros(PROMPTS, RESPONSES, dtype=torch.float64)
    for _ in range(steps):
        policy = logits.softmax(dim=1)
        advantages = rewards - (policy * rewards).sum(dim=2, keepdim=True)
        gradients = (policy * advantages).flatten(start_dim=1) / len(policy)
        update = combine(gradients @ gradients.T) @ gradients
        logits += (update / update.norm()).view_as(logits)
    above = (logits.softmax(dim=1) * rewards).sum(dim=2) - rewards.mean(dim=2)
    return above.mean(dim=1) / SCALES
