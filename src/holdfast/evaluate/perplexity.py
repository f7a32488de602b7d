"""perplexity = exp(mean over completion tokens of -log p(token | all tokens before it))   (1 = certain of every token)

It is teacher-forced on given exchanges. Every token of a response's text counts once, in long and short exchanges
alike. Tokens of the prompt, the template and the end do not count. Sums are float64, log-probabilities float32. The
interval is over exchanges: see `token_losses.py`.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from holdfast.evaluate.token_losses import perplexity_rate
from holdfast.models.logits import logits_at, logits_budget
from holdfast.models.tables import check_fits
from holdfast.outcomes import TokenLosses
from holdfast.progress import Progress, silent
from holdfast.prompts.batching import batches_by_length, right_pad
from holdfast.prompts.chat import EncodedChat, encode_exchange
from holdfast.records import Exchange


def perplexity(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    exchanges: Sequence[Exchange],
    *,
    token_budget: int | None = None,
    progress: Progress = silent,
) -> float | None:
    """Perplexity of the exchanges' responses. None where there is no token to predict, or a loss is not finite.

    Raises:
        ValueError: an exchange is longer than the model's context, or has a token that the model lacks.
    """
    losses = token_losses(model, tokenizer, exchanges, token_budget=token_budget, progress=progress)
    measured = perplexity_rate(losses)
    return measured and measured.value


def encode_fitting(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, exchanges: Sequence[Exchange]
) -> list[EncodedChat]:
    """Encodes exchanges as the model reads them; raises as `perplexity`."""
    chats = [encode_exchange(tokenizer, exchange.prompt, exchange.response) for exchange in exchanges]
    check_fits(model, tokenizer, [chat.token_ids for chat in chats])
    return chats


@torch.no_grad()
def token_losses(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    exchanges: Sequence[Exchange],
    *,
    token_budget: int | None = None,
    progress: Progress = silent,
) -> tuple[TokenLosses, ...]:
    """Computes the loss on every exchange's response, in order. Raises ValueError as `perplexity` does."""
    chats = encode_fitting(model, tokenizer, exchanges)
    totals, done = torch.zeros(len(chats), dtype=torch.float64), 0
    budget = token_budget or logits_budget(model)
    if chats:
        progress("measuring perplexity", 0, len(chats))
    for batch in batches_by_length([len(chat.token_ids) for chat in chats], budget):
        losses, rows = _completion_losses(model, [chats[position] for position in batch])
        totals[batch] = torch.zeros(len(batch), dtype=torch.float64).index_add(0, rows, losses.double().cpu())
        done += len(batch)
        progress("measuring perplexity", done, len(chats))
    sizes = [len(chat.spans[1]) for chat in chats]
    found = zip(exchanges, totals.tolist(), sizes, strict=True)
    return tuple(TokenLosses(exchange.prompt, loss, size) for exchange, loss, size in found)


def _completion_losses(model: PreTrainedModel, chats: Sequence[EncodedChat]) -> tuple[Tensor, Tensor]:
    """Computes the loss at every token of the responses, and the exchange that each token belongs to."""
    token_ids, attention_mask = right_pad([chat.token_ids for chat in chats], pad_id=0)
    rows = torch.tensor([row for row, chat in enumerate(chats) for _ in chat.spans[1]], dtype=torch.int64)
    columns = torch.tensor([span.token for chat in chats for span in chat.spans[1]], dtype=torch.int64)
    inputs = {"input_ids": token_ids.to(model.device), "attention_mask": attention_mask.to(model.device)}
    predicted = logits_at(model, rows, columns - 1, inputs)  # the logits at a position are about the next token
    return cross_entropy(predicted, token_ids[rows, columns].to(predicted.device), reduction="none"), rows
