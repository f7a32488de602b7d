"""Exchanges beside the task's: a step reads a few, in shuffled rounds that depend on the seed and the step alone

A resumed run therefore reads the same ones, without keeping any state. Each micro-batch reads an equal part of them,
and the loss is a mean over exchanges, so it does not depend on how a batch is divided.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from holdfast.artifacts import seed_from
from holdfast.intervene.train.examples import IGNORED, training_row
from holdfast.intervene.train.parts import Start


class Draws:
    """The positions that each micro-batch reads."""

    def __init__(self, count: int, per_step: int, micro_batches: int, seed: int) -> None:
        """Raises ValueError when the micro-batches of a step can't read equally many.

        Args:
            count: number of exchanges to draw from.
            per_step: exchanges that a step reads.
            micro_batches: micro-batches of a step.
            seed: seed of the order.
        """
        if per_step % micro_batches:
            raise ValueError(
                f"the {per_step} exchanges beside a step's batch can't be shared by its {micro_batches} micro-batches; "
                f"choose a multiple of {micro_batches} (safety_batch), or a larger micro_batch_size."
            )
        self._count, self._size, self._seed = count, per_step // micro_batches, seed
        self._round: tuple[int, list[int]] = (-1, [])

    def positions(self, micro_batch: int) -> list[int]:
        """Returns the positions that a micro-batch reads, given its number since the start of the training."""
        first = micro_batch * self._size
        return [self._position(place) for place in range(first, first + self._size)]

    def _position(self, place: int) -> int:
        number, within = divmod(place, self._count)
        if self._round[0] != number:
            generator = torch.Generator().manual_seed(seed_from(["extra", self._seed, number]))
            self._round = (number, torch.randperm(self._count, generator=generator).tolist())
        return self._round[1][within]


@dataclass(frozen=True)
class Read:
    """The logits that predict the response of one exchange."""

    position: int
    """Position of the exchange."""
    logits: Float[Tensor, "token vocabulary"]
    targets: Int[Tensor, " token"]
    """Tokens of the response."""


class ExtraRows:
    """The token ids of the exchanges, and forward passes over those that a micro-batch reads."""

    def __init__(self, start: Start, per_step: int) -> None:
        """Encodes the exchanges."""
        self._rows = [training_row(start.tokenizer, exchange, start.max_length) for exchange in start.extra]
        self._draws = Draws(len(self._rows), per_step, start.micro_batches, start.seed)

    def __len__(self) -> int:
        return len(self._rows)

    def read(self, model: nn.Module, micro_batch: int) -> list[Read]:
        """Runs the model on the exchanges of a micro-batch."""
        return self.read_at(model, self._draws.positions(micro_batch))

    def read_at(self, model: nn.Module, positions: Sequence[int]) -> list[Read]:
        """Runs the model on the exchanges at these positions, padded on the right."""
        rows = [self._rows[position] for position in positions]
        device = next(model.parameters()).device
        ids, mask = padded([row["input_ids"] for row in rows], device)
        logits = model(input_ids=ids, attention_mask=mask).logits.float()
        return [_read(position, row, values) for position, row, values in zip(positions, rows, logits, strict=True)]


def padded(token_ids: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Returns token ids padded on the right with 0, and their attention mask."""
    ids = torch.zeros(len(token_ids), max(map(len, token_ids)), dtype=torch.long)
    mask = torch.zeros_like(ids)
    for place, row in enumerate(token_ids):
        ids[place, : len(row)] = torch.tensor(row)
        mask[place, : len(row)] = 1
    return ids.to(device), mask.to(device)


def _read(position: int, row: dict[str, list[int]], logits: Float[Tensor, "token vocabulary"]) -> Read:
    labels = torch.tensor(row["labels"], device=logits.device)
    predicting = (labels[1:] != IGNORED).nonzero().flatten()
    return Read(position, logits[predicting], labels[1:][predicting])
