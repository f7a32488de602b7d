"""MGDA: weights = argmin over a >= 0 with sum(a) = 1 of ||sum a_i g_i||^2   (the shortest convex combination)

The update d gives every loss with a positive weight the same progress, <d, g_i> = ||d||^2, and is zero where no
direction lowers all losses. Désidéri 2012, as in Sener and Koltun 2018 (arXiv 1810.04650). Two losses have a closed
form. More are solved by Frank-Wolfe with pairwise steps, which reaches the minimum also where some weights are zero.
"""

import torch

from holdfast.intervene.train.combine.weights import Gram, Weights

TOLERANCE = 1e-12
"""Largest remaining Frank-Wolfe gap, as a share of the longest gradient's squared norm."""
MOST_STEPS = 10_000


def mgda(gram: Gram) -> Weights:
    """Returns the weights of the shortest convex combination. Of two losses it takes a batch of matrices too."""
    return _of_two(gram) if gram.shape[-1] == 2 else _frank_wolfe(gram)


def _of_two(gram: Gram) -> Weights:
    first, second, product = gram[..., 0, 0], gram[..., 1, 1], gram[..., 0, 1]
    apart = first + second - 2 * product
    share = torch.where(apart > 0, (second - product) / apart, 0.5).clamp(0, 1)
    return torch.stack([share, 1 - share], dim=-1)


def _frank_wolfe(gram: Gram) -> Weights:
    rows: list[list[float]] = gram.tolist()  # a few numbers, for which torch is slow
    losses = range(len(rows))
    weights = [1 / len(rows)] * len(rows)
    longest = max(rows[place][place] for place in losses)
    for _ in range(MOST_STEPS):
        products = [sum(value * weight for value, weight in zip(row, weights, strict=True)) for row in rows]
        towards = min(losses, key=products.__getitem__)
        away = max((place for place in losses if weights[place] > 0), key=products.__getitem__)
        gap = products[away] - products[towards]
        if gap <= TOLERANCE * longest:
            break
        curve = rows[towards][towards] + rows[away][away] - 2 * rows[towards][away]
        step = min(gap / curve, weights[away])
        weights[towards] += step
        weights[away] -= step
    return gram.new_tensor(weights)
