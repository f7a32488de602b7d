"""Let a model continue a batch of prompts, a stretch of tokens at a time: rows that have ended leave the batch.

What ends early would be carried along to the end of the longest. After each stretch the rows that have ended are taken
out, of the cache of keys and values as well, so that nothing is computed twice.

Not every model can be continued so: a recurrent state is no cache of keys and values, and some states know nothing of
padding. How a model is continued is its `Way`, which `ways.py` finds.
"""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import GenerationConfig, GenerationMixin, LogitsProcessor, LogitsProcessorList, PreTrainedModel

from holdfast.models.plain_settings import plain_settings
from holdfast.prompts.batching import left_pad

STRETCH = 8
"""Tokens; taking rows out copies the cache, which costs less than one token's step."""
_CACHE = (
    "cache"
    if "cache" in inspect.signature(vars(GenerationMixin)["prepare_inputs_for_generation"]).parameters
    else "past_key_values"
)
"""What this release of transformers calls the cache."""


@dataclass(frozen=True)
class Way:
    """How a model continues a batch."""

    pads: bool
    """Whether prompts of unlike length may share a batch, padded on the left."""
    in_stretches: bool
    """Whether its cache can be handed on to a second `generate`, and rows taken out of it."""
    caches: bool
    """Whether it keeps anything from token to token; without, every token reads the whole sequence again."""


@dataclass(frozen=True)
class Decoding:
    """How tokens are chosen."""

    max_new_tokens: int
    temperature: float
    """0 decodes greedily."""
    end_ids: frozenset[int]
    pad_id: int

    def config(self, *, caches: bool) -> GenerationConfig:
        """Of transformers; its own defaults (the 50 likeliest tokens, say) would change what is sampled."""
        sampled = self.temperature > 0
        return GenerationConfig(
            max_new_tokens=self.max_new_tokens,
            do_sample=sampled,
            temperature=self.temperature or None,
            top_k=0 if sampled else None,
            top_p=1.0 if sampled else None,
            eos_token_id=sorted(self.end_ids) or None,
            pad_token_id=self.pad_id,
            use_cache=caches,
            return_dict_in_generate=True,
        )


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


def continue_rows(
    model: PreTrainedModel,
    encoded: Sequence[Sequence[int]],
    decoding: Decoding,
    way: Way,
    *,
    stretch: int = STRETCH,
    watch: Sequence[LogitsProcessor] = (),
) -> list[Continued]:
    """What follows each sequence, in order, by settings of the caller's alone; `watch` sees the logits first."""
    found = [Continued() for _ in encoded]
    rows = list(range(len(encoded)))
    token_ids, attention_mask = (part.to(model.device) for part in left_pad(encoded, decoding.pad_id))
    kept: dict[str, Any] = {}
    total = decoding.max_new_tokens
    step = stretch if way.in_stretches else total
    for begun in range(0, total, step):
        logits = BrokenLogits()
        with plain_settings(model, decoding.end_ids):
            made: Any = model.generate(  # pyright: ignore[reportCallIssue]
                token_ids,
                attention_mask=attention_mask,
                generation_config=replace(decoding, max_new_tokens=min(step, total - begun)).config(caches=way.caches),
                logits_processor=LogitsProcessorList([*watch, logits]),
                **kept,
            )
        new = made.sequences[:, token_ids.shape[1] :]
        for row, ids, broken in zip(rows, new.tolist(), logits.rows(), strict=True):
            found[row].token_ids += ids
            found[row].broken += broken
        lasting = [place for place, row in enumerate(rows) if not decoding.end_ids & set(found[row].token_ids)]
        if not lasting or begun + step >= total:
            break
        chosen = torch.tensor(lasting, device=model.device)
        cache = made[_CACHE]
        if len(lasting) < len(rows):
            cache.batch_select_indices(chosen)
        kept = {_CACHE: cache}
        rows = [rows[place] for place in lasting]
        token_ids = made.sequences[chosen]
        attention_mask = torch.cat([attention_mask, torch.ones_like(new)], dim=1)[chosen]
    return found
