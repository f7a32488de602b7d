"""Completions and the logits that predict their tokens: every objective differentiates a function of these logits.

Sequences are padded on the right. Causal attention can't see that padding, and positions count from the first token. So
neither the tokenizer's padding side nor the other sequences in the batch change the logits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel

from holdfast.models.load import LoadedModel
from holdfast.models.logits import logits_at
from holdfast.models.tables import check_fits
from holdfast.objective.choices import Reduction
from holdfast.prompts.batching import right_pad


@dataclass(frozen=True)
class Completion:
    """A rendered conversation, with the positions of the completion's tokens in it."""

    prompt: str
    token_ids: list[int]
    positions: list[int]
    """Positions in `token_ids` of the completion's tokens, increasing and above 0."""


@runtime_checkable
class Objective(Protocol):
    """A quantity to differentiate: the mean of one number a completion."""

    @property
    def unit(self) -> str:
        """Unit of the objective."""
        ...

    @property
    def completions(self) -> Sequence[Completion]:
        """The items, in order. Batches are formed by their lengths, halves by their prompts."""
        ...

    def contributions(self, model: PreTrainedModel, items: Sequence[int]) -> Float[Tensor, " batch"]:
        """Returns a surrogate for each item, a position in `completions`. Its gradient is the item's part of the
        whole.
        """
        ...

    def describe(self) -> Mapping[str, object]:
        """Returns the objective's entries in the scores' metadata."""
        ...


def check_completions(loaded: LoadedModel, objective: Objective) -> None:
    """Raises ValueError for a completion beyond the model's context, or with a token that the model lacks."""
    check_fits(loaded.model, loaded.tokenizer, [completion.token_ids for completion in objective.completions])


def completion_logits(model: PreTrainedModel, completions: Sequence[Completion]) -> Float[Tensor, "token d_vocab"]:
    """Returns the logits that predict each completion token, one completion after another, in float32 or wider."""
    token_ids, attention_mask = right_pad([completion.token_ids for completion in completions], pad_id=0)
    rows = [row for row, completion in enumerate(completions) for _ in completion.positions]
    # The logits at a position are about the next token.
    columns = [position - 1 for completion in completions for position in completion.positions]
    inputs = {"input_ids": token_ids.to(model.device), "attention_mask": attention_mask.to(model.device)}
    places = (torch.tensor(rows, dtype=torch.int64), torch.tensor(columns, dtype=torch.int64))
    return logits_at(model, *places, inputs)


def completion_tokens(completions: Sequence[Completion]) -> list[int]:
    """Returns the token ids that `completion_logits` predict, in the same order."""
    return [completion.token_ids[position] for completion in completions for position in completion.positions]


def said_log_probabilities(
    log_probabilities: Float[Tensor, "token d_vocab"], completions: Sequence[Completion]
) -> Float[Tensor, " token"]:
    """Selects the log-probability of every completion token from those of the whole vocabulary."""
    token_ids = torch.tensor(completion_tokens(completions), device=log_probabilities.device)
    return log_probabilities.gather(1, token_ids[:, None])[:, 0]


def expected_gains(
    probabilities: Float[Tensor, "token d_vocab"], gains: Float[Tensor, "token d_readable"]
) -> Float[Tensor, " token"]:
    """Returns sum_v p(v) C[t, v] for every token. Padding entries, beyond the tokenizer's vocabulary, have no gain."""
    width = min(gains.shape[1], probabilities.shape[1])
    return (probabilities[:, :width] * gains[:, :width].to(probabilities)).sum(-1)


def reduce_completions(
    values: Float[Tensor, " token"], completions: Sequence[Completion], reduction: Reduction
) -> Float[Tensor, " batch"]:
    """Returns the mean or sum of each completion's values. It is 0 for a completion without tokens."""
    lengths = [len(completion.positions) for completion in completions]
    sums = torch.stack([part.sum() for part in values.split(lengths)])
    return sums if reduction == "sum" else sums / torch.tensor(lengths, device=sums.device).clamp(min=1)
