"""A plain training loop: batches of similar length, a loss on the answers only, one seed for everything."""

import itertools
import logging
import math
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from holdfast.testbed.vocabulary import END
from holdfast.testbed.world import Exchange

logger = logging.getLogger(__name__)
IGNORED = -100
_POOL = 64  # this many batches are drawn together and sorted by length, which keeps padding small

Loss = Callable[[Float[Tensor, "batch token d_vocab"], Int[Tensor, "batch token"]], Float[Tensor, ""]]


@dataclass(frozen=True)
class Schedule:
    """Length and learning rates of a training."""

    steps: int
    learning_rate: float
    batch_size: int = 32
    warmup: float = 0.05
    """Share of the steps over which the learning rate rises, in [0, 1)."""
    final: float = 0.1
    """Share of the peak rate at which the cosine ends, in (0, 1]. 1 keeps the rate constant."""
    weight_decay: float = 0.01

    def rate(self, step: int) -> float:
        """The learning rate at the step."""
        rise = max(1, round(self.warmup * self.steps))
        progress = max(0, step - rise) / max(1, self.steps - rise)
        fall = self.final + (1 - self.final) * 0.5 * (1 + math.cos(math.pi * progress))
        return self.learning_rate * min(1.0, (step + 1) / rise) * fall


@dataclass(frozen=True)
class Row:
    """Token ids of one text. The first `prompt_length` are the prompt, and the loss is on the others."""

    tokens: list[int]
    prompt_length: int


@dataclass(frozen=True)
class Batch:
    """Token ids and labels of the answers. Padding is on the right, where causal attention needs no mask."""

    input_ids: Int[Tensor, "batch token"]
    labels: Int[Tensor, "batch token"]


def encode(tokenizer: PreTrainedTokenizerFast, source: Iterator[Exchange]) -> Iterator[Row]:
    """Encodes exchanges in the chat template. Special tokens begin each turn, so prompt and answer encode apart."""
    for exchange in source:
        turns = [{"role": "user", "content": exchange.prompt}]
        prompt = tokenizer(str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)))
        answer = tokenizer(exchange.response + END)
        yield Row(prompt["input_ids"] + answer["input_ids"], len(prompt["input_ids"]))


def pad_rows(rows: Sequence[Row], pad: int) -> Batch:
    """Pads rows to one batch."""
    width = max(len(row.tokens) for row in rows)
    input_ids = torch.full((len(rows), width), pad)
    labels = torch.full((len(rows), width), IGNORED)
    for index, row in enumerate(rows):
        input_ids[index, : len(row.tokens)] = torch.tensor(row.tokens)
        labels[index, row.prompt_length : len(row.tokens)] = torch.tensor(row.tokens[row.prompt_length :])
    return Batch(input_ids, labels)


def draw_batches(rows: Iterable[Row], batch_size: int, pad: int, seed: int) -> Iterator[Batch]:
    """Yields batches of similar length in random order, until there are no more rows."""
    rng = random.Random(seed)
    rows = iter(rows)
    while pool := list(itertools.islice(rows, batch_size * _POOL)):
        pool.sort(key=lambda row: len(row.tokens))
        batches = [pool[start : start + batch_size] for start in range(0, len(pool), batch_size)]
        rng.shuffle(batches)
        yield from (pad_rows(batch, pad) for batch in batches)


def answer_loss(confidence: float = 1.0) -> Loss:
    """Makes the mean cross-entropy per answer token, where tokens predicted with more than `confidence` count as 0.

    A confidence below 1 limits margins: training no longer changes an answer that is good enough.
    """

    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        targets = labels[:, 1:].flatten()
        predictions = logits[:, :-1].flatten(0, 1)
        losses = torch.nn.functional.cross_entropy(predictions, targets, ignore_index=IGNORED, reduction="none")
        return (losses * (losses >= -math.log(confidence))).sum() / (targets != IGNORED).sum()

    return loss


def train(model: PreTrainedModel, batches: Iterator[Batch], loss: Loss, schedule: Schedule) -> None:
    """Trains the model in place with AdamW, and clips gradients to norm 1."""
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
