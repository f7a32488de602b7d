"""Measures a model's loss, and warns when training made it worse, or hardly lowered it."""

import logging
from collections.abc import Sequence

import torch

from holdfast.intervene.options import SftOptions
from holdfast.intervene.train.examples import IGNORED, training_row
from holdfast.models.load import LoadedModel
from holdfast.records import Exchange

logger = logging.getLogger(__name__)
WORSE_BY = 0.1
"""Nats per token by which the saved loss may exceed the loss before training. At 0.1 each token is 10% less likely."""
LEARNED = 0.05
"""Share of its first value by which the loss must fall, or training hardly learned anything."""


@torch.no_grad()
def mean_loss(loaded: LoadedModel, exchanges: Sequence[Exchange], options: SftOptions) -> float:
    """Returns the model's mean loss per response token, in nats, as training reports it for a batch."""
    total, num_tokens = 0.0, 0
    for exchange in exchanges:
        row = training_row(loaded.tokenizer, exchange, options.max_length)
        token_ids, labels = (torch.tensor([row[key]], device=loaded.model.device) for key in ("input_ids", "labels"))
        count = sum(label != IGNORED for label in row["labels"][1:])  # nothing predicts the first token
        if count:
            total += count * float(loaded.model(input_ids=token_ids, labels=labels).loss)
            num_tokens += count
    return total / max(num_tokens, 1)


def warn_of_worse(start: float | None, saved: float | None, options: SftOptions) -> None:
    """Logs a warning when the saved model predicts the last batch worse than the model before training."""
    if start is None or saved is None or saved <= start + WORSE_BY:
        return
    logger.warning(
        "training made the model worse on its own training data: the loss on the last step's batch was %.3g before "
        "training and is %.3g in the saved checkpoint; lower learning_rate=%g.",
        start,
        saved,
        options.learning_rate,
    )


def warn_of_little(start: float | None, saved: float | None, options: SftOptions) -> None:
    """Logs a warning when the saved model predicts the last batch hardly better than the model before training."""
    if start is None or saved is None or saved > start + WORSE_BY or has_learned(start, saved):
        return
    logger.warning(
        "training hardly lowered the loss on the last step's batch: it was %.3g before and is %.3g in the saved "
        "checkpoint, so the task was hardly learned, or was known before; raise learning_rate=%g threefold, or train "
        "for more than iterations=%d, and compare the task's scores.",
        start,
        saved,
        options.learning_rate,
        options.iterations,
    )


def has_learned(start: float, end: float) -> bool:
    """Returns True where the loss fell by more than the share `LEARNED` of its first value."""
    return end < start * (1 - LEARNED)


def keeps_the_learned(start: float | None, trained: float | None, saved: float | None) -> bool:
    """Returns True where training lowered the loss, and the saved checkpoint keeps at least half of the fall.

    Args:
        start: loss on the last batch before training.
        trained: loss on the last batch at its step of the training.
        saved: loss on the last batch of the saved checkpoint.
    """
    if start is None or trained is None or saved is None:
        return False
    return has_learned(start, trained) and start - saved >= (start - trained) / 2
