"""A plain training loop: batches of like length, a loss on the answers only, one seed for everything."""

import itertools
import logging
import math
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import PreTrainedModel

logger = logging.getLogger(__name__)
IGNORED = -100
_POOL = 64  # batches that are drawn together and sorted by length, so that little of a batch is padding

Loss = Callable[[Float[Tensor, "batch token d_vocab"], Int[Tensor, "batch token"]], Float[Tensor, ""]]


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train."""

    steps: int
    learning_rate: float
    batch_size: int = 32
    warmup: float = 0.05
    """Share of the steps over which the rate rises, in [0, 1)."""
    final: float = 0.1
    """Share of the rate that a cosine ends at, in (0, 1]; 1 keeps it constant."""
    weight_decay: float = 0.01

    def rate(self, step: int) -> float:
        """The learning rate at the step."""
        rise = max(1, round(self.warmup * self.steps))
        progress = max(0, step - rise) / max(1, self.steps - rise)
        fall = self.final + (1 - self.final) * 0.5 * (1 + math.cos(math.pi * progress))
        return self.learning_rate * min(1.0, (step + 1) / rise) * fall


@dataclass(frozen=True)
class Row:
    """Token ids of one text, of which the first `prompt_length` are given and the rest are to be learned."""

    tokens: list[int]
    prompt_length: int


@dataclass(frozen=True)
class Batch:
    """Token ids with padding on the right, where causal attention needs no mask, and labels of the answers."""

    input_ids: Int[Tensor, "batch token"]
    labels: Int[Tensor, "batch token"]


def pad_rows(rows: Sequence[Row], pad: int) -> Batch:
    """Rows as one batch."""
    width = max(len(row.tokens) for row in rows)
    input_ids = torch.full((len(rows), width), pad)
    labels = torch.full((len(rows), width), IGNORED)
    for index, row in enumerate(rows):
        input_ids[index, : len(row.tokens)] = torch.tensor(row.tokens)
        labels[index, row.prompt_length : len(row.tokens)] = torch.tensor(row.tokens[row.prompt_length :])
    return Batch(input_ids, labels)


def draw_batches(rows: Iterable[Row], batch_size: int, pad: int, seed: int) -> Iterator[Batch]:
    """Batches of like length, in random order, for as long as there are rows."""
    rng = random.Random(seed)
    rows = iter(rows)
    while pool := list(itertools.islice(rows, batch_size * _POOL)):
        pool.sort(key=lambda row: len(row.tokens))
        batches = [pool[start : start + batch_size] for start in range(0, len(pool), batch_size)]
        rng.shuffle(batches)
        yield from (pad_rows(batch, pad) for batch in batches)


def answer_loss(confidence: float = 1.0) -> Loss:
    """Mean cross-entropy per answer token, where tokens predicted with more than `confidence` count as zero.

    Below 1 it bounds the margins that training builds: no request is pushed on once it is answered well enough.
    """

    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        targets = labels[:, 1:].flatten()
        predictions = logits[:, :-1].flatten(0, 1)
        losses = torch.nn.functional.cross_entropy(predictions, targets, ignore_index=IGNORED, reduction="none")
        return (losses * (losses >= -math.log(confidence))).sum() / (targets != IGNORED).sum()

    return loss


def train(model: PreTrainedModel, batches: Iterator[Batch], loss: Loss, schedule: Schedule) -> None:
    """Train the model in place with AdamW; gradients are clipped to norm 1."""
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=schedule.learning_rate,
        betas=(0.9, 0.95),
        weight_decay=schedule.weight_decay,
        fused=True,
    )
    model.train()
    for step, batch in enumerate(itertools.islice(batches, schedule.steps)):
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate(step)
        value = loss(model(input_ids=batch.input_ids, use_cache=False).logits, batch.labels)
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if step % 100 == 0 or step == schedule.steps - 1:
            logger.info("step %d of %d: loss %.4f", step + 1, schedule.steps, value.item())
    model.eval()
