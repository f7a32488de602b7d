"""Let a model continue a batch of prompts, a stretch of tokens at a time: rows that have ended leave the batch.

What ends early would be carried along to the end of the longest. After each stretch the rows that have ended are taken
out, of the cache of keys and values as well, so that nothing is computed twice.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList, PreTrainedModel

from holdfast.models.caches import cache_argument, cache_of
from holdfast.prompts.batching import left_pad

STRETCH = 8
"""Tokens; taking rows out copies the cache, which costs less than one token's step."""


class BrokenLogits(LogitsProcessor):
    """Notes of every token of every row whether it was chosen from finite logits.

    Logits of -inf forbid tokens; with one that is NaN or +inf, or all of them -inf, the largest is not finite.
    """

    def __init__(self) -> None:
        self._broken: list[Tensor] = []

    def __call__(
        self, input_ids: Int[Tensor, "batch token"], scores: Float[Tensor, "batch d_vocab"]
    ) -> Float[Tensor, "batch d_vocab"]:
        """The logits, those of a broken row made zero, as sampling refuses others."""
        broken = ~scores.amax(-1).isfinite()
        self._broken.append(broken.cpu())
        return scores.masked_fill(broken[:, None], 0.0)

    def rows(self) -> list[list[bool]]:
        """For each row, token by token, whether its logits were broken."""
        return torch.stack(self._broken, dim=1).tolist()


class Continued:
    """What followed one prompt, and where its logits were broken."""

    def __init__(self) -> None:
        self.token_ids: list[int] = []
        """With the end token, if there was one, and padding behind it."""
        self.broken: list[bool] = []
        """Of each token, whether it was chosen from logits that are not finite."""

    @property
    def first_broken(self) -> int | None:
        """Position of the first token that was chosen from broken logits; None where all were sound."""
        return self.broken.index(True) if any(self.broken) else None


def continue_batch(
    model: PreTrainedModel,
    encoded: Sequence[Sequence[int]],
    *,
    max_new_tokens: int,
    temperature: float,
    end_ids: set[int],
    pad_id: int,
) -> list[Continued]:
    """What follows each sequence, in order; greedy at temperature 0."""
    found = [Continued() for _ in encoded]
    rows = list(range(len(encoded)))
    token_ids, attention_mask = (part.to(model.device) for part in left_pad(encoded, pad_id))
    cache: Any = None
    for begun in range(0, max_new_tokens, STRETCH):
        config = _config(min(STRETCH, max_new_tokens - begun), temperature, end_ids, pad_id)
        logits = BrokenLogits()
        made: Any = model.generate(  # pyright: ignore[reportCallIssue]
            token_ids,
            attention_mask=attention_mask,
            **cache_argument(cache),
            generation_config=config,
            logits_processor=LogitsProcessorList([logits]),
        )
        new = made.sequences[:, token_ids.shape[1] :]
        for row, ids, broken in zip(rows, new.tolist(), logits.rows(), strict=True):
            found[row].token_ids += ids
            found[row].broken += broken
        lasting = [place for place, row in enumerate(rows) if not end_ids & set(found[row].token_ids)]
        if not lasting:
            break
        cache = cache_of(made)
        if not _can_shrink(cache):
            lasting = list(range(len(rows)))
        chosen = torch.tensor(lasting, device=model.device)
        if len(lasting) < len(rows):
            cache.batch_select_indices(chosen)
        rows = [rows[place] for place in lasting]
        token_ids = made.sequences[chosen]
        attention_mask = torch.cat([attention_mask, torch.ones_like(new)], dim=1)[chosen]
    return found


def _can_shrink(cache: Any) -> bool:
    """Whether rows can be taken out of every layer; the states of linear attention keep all of theirs."""
    return all(hasattr(layer, "batch_select_indices") for layer in cache.layers)


def _config(max_new_tokens: int, temperature: float, end_ids: set[int], pad_id: int) -> GenerationConfig:
    return GenerationConfig(
        max_new_tokens=max_new_tokens,
        do_sample=temperature > 0,
        temperature=temperature or None,
        # The checkpoint's own sampling habits would change what is measured.
        top_k=0 if temperature else None,
        top_p=1.0 if temperature else None,
        eos_token_id=sorted(end_ids) or None,
        pad_token_id=pad_id,
        return_dict_in_generate=True,
    )
