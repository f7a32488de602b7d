"""Continues a batch of prompts a few tokens at a time, and takes rows that have ended out of the batch.

Without this, the model would compute a short response until the longest one ends. After each stretch of tokens,
finished rows leave the batch and the cache of keys and values. So nothing is computed twice.

Not every model allows this. A recurrent state is no cache of keys and values, and some states ignore the padding mask.
A `Way` describes how a model is continued, and `ways.py` finds it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList, PreTrainedModel
from transformers.cache_utils import Cache
from transformers.generation.utils import GenerateDecoderOnlyOutput

from holdfast.models.caches import cache_argument, cache_of
from holdfast.models.plain_settings import plain_settings
from holdfast.prompts.batching import left_pad

STRETCH = 8
"""Tokens generated before rows are taken out. That step copies the cache and costs less than one token."""


@dataclass(frozen=True)
class Way:
    """A way to continue a batch of prompts with a model."""

    pads: bool
    """True if prompts of unequal length may share a batch, padded on the left."""
    in_stretches: bool
    """True if rows can be taken out of the cache, and a second `generate` can go on from it."""
    caches: bool
    """True if the model keeps a cache or a state from token to token. Without one, every token reads the whole
    sequence."""


@dataclass(frozen=True)
class Decoding:
    """Settings that choose the next token."""

    max_new_tokens: int
    temperature: float
    """0 decodes greedily."""
    end_ids: frozenset[int]
    pad_id: int

    def config(self, *, caches: bool) -> GenerationConfig:
        """Returns the generation config for transformers.

        It sets what transformers would otherwise fill with defaults that change the sampling, such as the 50 likeliest
        tokens.
        """
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
    """Records for every token of every row whether its logits were finite.

    Logits of -inf forbid tokens and are allowed. A row is broken if its largest logit is not finite. That happens with
    a NaN, with +inf, or if all logits are -inf.
    """

    def __init__(self) -> None:
        self._broken: list[Tensor] = []

    def __call__(
        self, input_ids: Int[Tensor, "batch token"], scores: Float[Tensor, "batch d_vocab"]
    ) -> Float[Tensor, "batch d_vocab"]:
        """Returns the logits, with zeros in broken rows, since sampling would refuse them."""
        broken = ~scores.amax(-1).isfinite()
        self._broken.append(broken.cpu())
        return scores.masked_fill(broken[:, None], 0.0)

    def rows(self) -> list[list[bool]]:
        """Returns one list per row. It holds True for every token whose logits were broken."""
        return torch.stack(self._broken, dim=1).tolist()


class Written(LogitsProcessor):
    """Reports after every token how many tokens of a batch are written. A row that has ended counts as full."""

    def __init__(self, rows: int, limit: int, report: Callable[[int], None]) -> None:
        self._rows, self._limit, self._report, self._tokens = rows, limit, report, 0

    def __call__(
        self, input_ids: Int[Tensor, "batch token"], scores: Float[Tensor, "batch d_vocab"]
    ) -> Float[Tensor, "batch d_vocab"]:
        """Reports the tokens, and returns the logits unchanged."""
        self._tokens += 1
        left = len(input_ids)
        self._report((self._rows - left) * self._limit + left * self._tokens)
        return scores


class Continued:
    """The continuation of one prompt, with the places where its logits were broken."""

    def __init__(self) -> None:
        self.token_ids: list[int] = []
        """The generated tokens, with the end token, if any, and the padding after it."""
        self.broken: list[bool] = []
        """For each token, True if its logits were not finite."""

    @property
    def first_broken(self) -> int | None:
        """Position of the first token that was chosen from broken logits. None if all were finite."""
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
    """Continues each sequence and returns the continuations in order.

    Only the caller's settings apply. The processors in `watch` see the logits first.
    """
    continued = [Continued() for _ in encoded]
    rows = list(range(len(encoded)))
    token_ids, attention_mask = (part.to(model.device) for part in left_pad(encoded, decoding.pad_id))
    kept: dict[str, Cache | None] = {}
    total = decoding.max_new_tokens
    step = stretch if way.in_stretches else total
    for begun in range(0, total, step):
        logits = BrokenLogits()
        with plain_settings(model, decoding.end_ids):
            output: GenerateDecoderOnlyOutput = model.generate(  # pyright: ignore[reportCallIssue]
                token_ids,
                attention_mask=attention_mask,
                generation_config=replace(decoding, max_new_tokens=min(step, total - begun)).config(caches=way.caches),
                logits_processor=LogitsProcessorList([*watch, logits]),
                **kept,
            )
        new_ids = output.sequences[:, token_ids.shape[1] :]
        for row, ids, broken in zip(rows, new_ids.tolist(), logits.rows(), strict=True):
            continued[row].token_ids += ids
            continued[row].broken += broken
        unfinished = [place for place, row in enumerate(rows) if not decoding.end_ids & set(continued[row].token_ids)]
        if not unfinished or begun + step >= total:
            break
        chosen = torch.tensor(unfinished, device=model.device)
        cache = cache_of(output)
        if len(unfinished) < len(rows):
            cache.batch_select_indices(chosen)
        kept = cache_argument(cache)
        rows = [rows[place] for place in unfinished]
        token_ids = output.sequences[chosen]
        attention_mask = torch.cat([attention_mask, torch.ones_like(new_ids)], dim=1)[chosen]
    return continued
