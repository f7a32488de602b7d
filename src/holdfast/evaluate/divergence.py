"""KL = mean over response tokens t of sum_v r(v | t) (log r(v | t) - log m(v | t))   (nats per token, 0 = equal)

r and m are the distributions of the next token by the reference and the model, after the same prompt and the same
beginning of the response. This is the forward KL(r || m): it is large where the model no longer gives the reference's
tokens. A large value means that the model moved far from the reference on these exchanges, for better or worse. It is
at least 0 up to rounding, and exactly 0 for equal weights.

Every token of a response's text counts once. Tokens of the prompt, the template and the end do not count. An exchange
with a divergence that is not finite is unscored. Log-probabilities are float32, with an error of about 1e-6, and sums
are float64. The interval is over exchanges: 2.5% and 97.5% quantiles of the mean over resampled exchanges with all
their tokens (bootstrap). `n` counts exchanges. On the reference's own responses the mean estimates the KL of whole
responses per token. That is exact in expectation for sampled responses. Greedy responses show one path only.
"""

from collections.abc import Sequence
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from holdfast.models.load import LoadedModel
from holdfast.models.logits import logits_at, logits_budget
from holdfast.models.tables import check_fits
from holdfast.outcomes import Rate
from holdfast.progress import Progress, silent
from holdfast.prompts.batching import batches_by_length, right_pad
from holdfast.prompts.chat import EncodedChat, encode_exchange
from holdfast.records import Exchange

RESAMPLES = 2000


@torch.no_grad()
def divergence(
    loaded: LoadedModel,
    reference: LoadedModel,
    exchanges: Sequence[Exchange],
    *,
    token_budget: int | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Rate:
    """Measures the mean KL(reference || model) per token of the exchanges' responses, with its interval.

    Args:
        loaded: the model.
        reference: the model to compare it with.
        exchanges: prompts and responses that both models read.
        token_budget: most tokens in a batch, padding included. The vocabulary's width sets it when left out.
        seed: seed of the resampling.
        progress: called after every batch.

    Raises:
        ValueError: the models have different vocabularies, or an exchange is longer than the context of one of them.
    """
    refuse_other_tokens(loaded, reference)
    chats = [encode_exchange(loaded.tokenizer, exchange.prompt, exchange.response) for exchange in exchanges]
    for side in (loaded, reference):
        check_fits(side.model, side.tokenizer, [chat.token_ids for chat in chats])
    sums = torch.zeros(len(chats), dtype=torch.float64)
    sizes = torch.tensor([len(chat.spans[1]) for chat in chats], dtype=torch.float64)
    done = 0
    budget = token_budget or logits_budget(loaded.model)
    progress("comparing with the reference", 0, len(chats))
    for batch in batches_by_length([len(chat.token_ids) for chat in chats], budget):
        per_token, rows = _token_divergences(loaded, reference, [chats[position] for position in batch])
        sums[batch] = torch.zeros(len(batch), dtype=torch.float64).index_add(0, rows, per_token.double().cpu())
        done += len(batch)
        progress("comparing with the reference", done, len(chats))
    return _mean(sums[sizes > 0], sizes[sizes > 0], seed)


def refuse_other_tokens(loaded: LoadedModel, reference: LoadedModel) -> None:
    """Raises ValueError when the two models have different vocabularies."""
    widths = [cast(nn.Linear, side.model.get_output_embeddings()).weight.shape[0] for side in (loaded, reference)]
    if loaded.tokenizer.get_vocab() != reference.tokenizer.get_vocab() or widths[0] != widths[1]:
        raise ValueError(
            f"the reference {reference.name!r} and {loaded.name!r} have different vocabularies ({widths[1]} and "
            f"{widths[0]} tokens), so their distributions cannot be compared; give the model that this one was made "
            "from."
        )


def _token_divergences(
    loaded: LoadedModel, reference: LoadedModel, chats: Sequence[EncodedChat]
) -> tuple[Float[Tensor, " position"], Tensor]:
    """Computes the divergence at every token of the responses, and the exchange that each token belongs to."""
    token_ids, attention_mask = right_pad([chat.token_ids for chat in chats], pad_id=0)
    rows = torch.tensor([row for row, chat in enumerate(chats) for _ in chat.spans[1]], dtype=torch.int64)
    # The logits at a position predict the next token.
    columns = torch.tensor([span.token - 1 for chat in chats for span in chat.spans[1]], dtype=torch.int64)
    ours, theirs = (
        logits_at(
            side.model,
            rows,
            columns,
            {"input_ids": token_ids.to(side.model.device), "attention_mask": attention_mask.to(side.model.device)},
        ).log_softmax(-1)
        for side in (loaded, reference)
    )
    theirs = theirs.to(ours.device)
    terms = theirs.exp() * (theirs - ours)
    # A token of probability 0 under the reference adds nothing, but 0 * (-inf - ...) would be NaN.
    return terms.masked_fill(theirs == -torch.inf, 0.0).sum(-1), rows


def _mean(sums: Float[Tensor, " exchange"], sizes: Float[Tensor, " exchange"], seed: int) -> Rate:
    finite = sums.isfinite()
    unscored = int((~finite).sum())
    sums, sizes = sums[finite], sizes[finite]
    if not len(sums):
        return Rate(None, None, None, 0, unscored)
    generator, means = torch.Generator().manual_seed(seed), torch.empty(RESAMPLES, dtype=torch.float64)
    for resample in range(RESAMPLES):
        drawn = torch.randint(len(sums), (len(sums),), generator=generator)
        means[resample] = sums[drawn].sum() / sizes[drawn].sum()
    low, high = means.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return Rate(float(sums.sum() / sizes.sum()), low, high, len(sums), unscored)
