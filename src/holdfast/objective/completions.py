"""What every objective differentiates: the model's predictions of a completion's tokens, given all that stands before.

Sequences are padded on the right, where causal attention can't see the padding and positions count from the first
token; so a tokenizer's own padding side plays no part, and neither does what else is in the batch.
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
    """A rendered conversation and which of its tokens are the completion."""

    prompt: str
    token_ids: list[int]
    positions: list[int]
    """Positions in `token_ids` of the completion's tokens, increasing, none of them 0."""


@runtime_checkable
class Objective(Protocol):
    """A quantity to differentiate: the mean over completions of one number each."""

    @property
    def unit(self) -> str:
        """Unit of that number."""
        ...

    @property
    def completions(self) -> Sequence[Completion]:
        """The items, in order; their lengths decide the batches, their prompts the halves."""
        ...

    def contributions(self, model: PreTrainedModel, items: Sequence[int]) -> Float[Tensor, " batch"]:
        """One surrogate an item (a position in `completions`): its gradient is the item's part of the objective's."""
        ...

    def describe(self) -> Mapping[str, object]:
        """What the scores' metadata keep of it."""
        ...


def check_completions(loaded: LoadedModel, objective: Objective) -> None:
    """Raises ValueError when a completion is longer than the model's context, or has a token that the model lacks."""
    check_fits(loaded.model, loaded.tokenizer, [completion.token_ids for completion in objective.completions])


def completion_logits(model: PreTrainedModel, completions: Sequence[Completion]) -> Float[Tensor, "token d_vocab"]:
    """Logits that predict each completion token, the completions one after another; at least float32."""
    token_ids, attention_mask = right_pad([completion.token_ids for completion in completions], pad_id=0)
    rows = [row for row, completion in enumerate(completions) for _ in completion.positions]
    # The logits at a position are about the next token.
    columns = [position - 1 for completion in completions for position in completion.positions]
    inputs = {"input_ids": token_ids.to(model.device), "attention_mask": attention_mask.to(model.device)}
    places = (torch.tensor(rows, dtype=torch.int64), torch.tensor(columns, dtype=torch.int64))
    return logits_at(model, *places, inputs)


def completion_tokens(completions: Sequence[Completion]) -> list[int]:
    """The ids that `completion_logits` are about, in the same order."""
    return [completion.token_ids[position] for completion in completions for position in completion.positions]


def said_log_probabilities(
    log_probabilities: Float[Tensor, "token d_vocab"], completions: Sequence[Completion]
) -> Float[Tensor, " token"]:
    """Of every completion's every token, out of those of the whole vocabulary."""
    said = torch.tensor(completion_tokens(completions), device=log_probabilities.device)
    return log_probabilities.gather(1, said[:, None])[:, 0]


def expected_gains(
    probabilities: Float[Tensor, "token d_vocab"], gains: Float[Tensor, "token d_readable"]
) -> Float[Tensor, " token"]:
    """sum_v p(v) C[t, v] of every token; what a vocabulary is padded with beyond its tokenizer's has no gain."""
    width = min(gains.shape[1], probabilities.shape[1])
    return (probabilities[:, :width] * gains[:, :width].to(probabilities)).sum(-1)


def reduce_completions(
    values: Float[Tensor, " token"], completions: Sequence[Completion], reduction: Reduction
) -> Float[Tensor, " batch"]:
    """Mean or sum of each completion's values; 0 for a completion without tokens."""
    lengths = [len(completion.positions) for completion in completions]
    sums = torch.stack([part.sum() for part in values.split(lengths)])
    return sums if reduction == "sum" else sums / torch.tensor(lengths, device=sums.device).clamp(min=1)
