"""A problem of two rewards that pull apart: 16 prompts with 32 responses each, and a reward five times as large."""

import torch

SCALES = torch.tensor([5.0, 1.0], dtype=torch.float64)


def gains(combine, seed, steps=20):
    """How far each expected reward rises above that of an even choice, in its own standard deviations."""
    generator = torch.Generator().manual_seed(seed)
    first, other = torch.randn(2, 16, 32, generator=generator, dtype=torch.float64)
    rewards = torch.stack([first, -0.6 * first + 0.8 * other]) * SCALES[:, None, None]
    logits = torch.zeros(16, 32, dtype=torch.float64)
    for _ in range(steps):
        policy = logits.softmax(dim=1)
        advantages = rewards - (policy * rewards).sum(dim=2, keepdim=True)
        gradients = (policy * advantages).flatten(start_dim=1) / len(policy)
        update = combine(gradients @ gradients.T) @ gradients
        logits += (update / update.norm()).view_as(logits)
    above = (logits.softmax(dim=1) * rewards).sum(dim=2) - rewards.mean(dim=2)
    return above.mean(dim=1) / SCALES
