"""Groups sequences of similar length into batches, and pads them on the left or the right."""

from collections.abc import Sequence

import torch
from jaxtyping import Int
from torch import Tensor


def batches_by_length(lengths: Sequence[int], token_budget: int) -> list[list[int]]:
    """Groups positions into batches of similar length, longest first.

    The padded size of a batch stays within the budget.

    An item that is longer than the budget gets a batch of its own. Ties keep the order of the items, so equal input
    gives equal batches.
    """
    if token_budget < 1:
        raise ValueError(f"token_budget must be at least 1, got {token_budget}.")
    batches: list[list[int]] = []
    for position in sorted(range(len(lengths)), key=lambda item: -lengths[item]):
        longest = lengths[batches[-1][0]] if batches else 0
        if batches and longest * (len(batches[-1]) + 1) <= token_budget:
            batches[-1].append(position)
        else:
            batches.append([position])
    return batches


def left_pad(
    sequences: Sequence[Sequence[int]], pad_id: int
) -> tuple[Int[Tensor, "batch token"], Int[Tensor, "batch token"]]:
    """Returns token ids with padding before each sequence, as generation needs it, and the attention mask."""
    longest = max(map(len, sequences))
    ids = [[pad_id] * (longest - len(sequence)) + list(sequence) for sequence in sequences]
    mask = [[0] * (longest - len(sequence)) + [1] * len(sequence) for sequence in sequences]
    return torch.tensor(ids), torch.tensor(mask)


def right_pad(
    sequences: Sequence[Sequence[int]], pad_id: int
) -> tuple[Int[Tensor, "batch token"], Int[Tensor, "batch token"]]:
    """Returns token ids with padding after each sequence, and the attention mask.

    Positions count from the first token.
    """
    longest = max(map(len, sequences))
    ids = [list(sequence) + [pad_id] * (longest - len(sequence)) for sequence in sequences]
    mask = [[1] * len(sequence) + [0] * (longest - len(sequence)) for sequence in sequences]
    return torch.tensor(ids), torch.tensor(mask)
