"""perplexity = exp(mean over completion tokens of -log p(token | what is before it))   (1 = never surprised)

Teacher-forced on given exchanges. The tokens that hold the response's text count, each once whatever its exchange's
length; the prompt, the template and the end token do not. Sums are float64, log-probabilities float32.
"""

import math
from collections.abc import Sequence

import torch
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from holdfast.models.tables import check_fits
from holdfast.progress import Progress, silent
from holdfast.prompts.batching import batches_by_length, right_pad
from holdfast.prompts.chat import EncodedChat, encode_exchange
from holdfast.prompts.records import Exchange


@torch.no_grad()
def perplexity(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    exchanges: Sequence[Exchange],
    *,
    token_budget: int = 4096,
    progress: Progress = silent,
) -> float | None:
    """Perplexity of the exchanges' responses; None where there is no token to predict, or where it is not finite.

    Raises:
        ValueError: an exchange is longer than the model's context, or has a token that the model lacks.
    """
    chats = [encode_exchange(tokenizer, exchange.prompt, exchange.response) for exchange in exchanges]
    check_fits(model, tokenizer, [chat.token_ids for chat in chats])
    total, num_tokens, done = 0.0, 0, 0
    for batch in batches_by_length([len(chat.token_ids) for chat in chats], token_budget):
        losses = _completion_losses(model, [chats[position] for position in batch])
        total += losses.sum(dtype=torch.float64).item()
        num_tokens += losses.numel()
        done += len(batch)
        progress("measuring perplexity", done, len(chats))
    measured = torch.tensor(total / max(num_tokens, 1), dtype=torch.float64).exp().item()
    return measured if num_tokens and math.isfinite(measured) else None


def _completion_losses(model: PreTrainedModel, chats: Sequence[EncodedChat]) -> torch.Tensor:
    token_ids, attention_mask = right_pad([chat.token_ids for chat in chats], pad_id=0)
    rows = torch.tensor([row for row, chat in enumerate(chats) for _ in chat.spans[1]], dtype=torch.int64)
    columns = torch.tensor([span.token for chat in chats for span in chat.spans[1]], dtype=torch.int64)
    # Nothing goes on from here, and some recurrent models can't keep a state.
    inputs = {"attention_mask": attention_mask.to(model.device), "use_cache": False}
    logits = model(token_ids.to(model.device), **inputs).logits
    # The logits at a position are about the next token.
    predicted = logits[rows.to(logits.device), columns.to(logits.device) - 1].float()
    return cross_entropy(predicted, token_ids[rows, columns].to(logits.device), reduction="none")
