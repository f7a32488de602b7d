"""Training data and loss of the guard: one verdict per exchange, with smoothed labels that keep log-odds moderate."""

from collections.abc import Iterator

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from holdfast.testbed.exchanges import JudgedExchange
from holdfast.testbed.loop import IGNORED, Loss, Row
from holdfast.testbed.vocabulary import END, VERDICTS, token_id


def encode_judged(tokenizer: PreTrainedTokenizerFast, exchanges: Iterator[JudgedExchange]) -> Iterator[Row]:
    """Encodes each rendered exchange with its verdict and the end of the turn."""
    for exchange in exchanges:
        turns = [{"role": "user", "content": exchange.prompt}, {"role": "assistant", "content": exchange.response}]
        rendered = tokenizer.apply_chat_template(turns, tokenize=False)
        prompt = tokenizer(str(rendered))["input_ids"]
        yield Row(prompt + tokenizer(exchange.label + END)["input_ids"], len(prompt))


def verdict_loss(tokenizer: PreTrainedTokenizerFast, smoothing: float) -> Loss:
    """Makes a cross-entropy that gives s = `smoothing` to the two wrong verdicts: log-odds near log(2 (1 - s) / s)."""
    verdicts = torch.tensor([token_id(tokenizer, verdict) for verdict in VERDICTS])

    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        targets = labels[:, 1:]
        answered = targets != IGNORED
        log_probabilities, target = logits[:, :-1][answered].log_softmax(-1), targets[answered]
        wrong = (verdicts != target[:, None]) & (verdicts == target[:, None]).any(1, keepdim=True)
        likelihood = log_probabilities.gather(1, target[:, None])[:, 0]
        of_wrong = (log_probabilities[:, verdicts] * wrong).sum(1) / wrong.sum(1).clamp(min=1)
        certain = torch.where(wrong.any(1), 1 - smoothing, 1.0)
        return -(certain * likelihood + (1 - certain) * of_wrong).mean()

    return loss
