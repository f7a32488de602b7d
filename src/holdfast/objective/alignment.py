"""From the judge's tokens to the model's: G_t = sum_j g_j * |characters(t) and characters(j)| / |characters(j)|

g_j is the judge's gradient at its token j, G_t what it amounts to at model token t. Both tokenizers cut the same
text, so characters are what they share: no vocabulary, no position. Model tokens that make up one character together
(bytes of it) each hold a part of it; the parts add up, so the G_t of a response sum to its g_j.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import accumulate

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedTokenizerBase

Span = tuple[float, float]


def token_spans(tokenizer: PreTrainedTokenizerBase, token_ids: Sequence[int], text: str) -> list[Span]:
    """The characters [start, end) of the response text that each of its tokens holds, in order and without gaps.

    The tokens are decoded, not the text encoded again: a sampled response need not be cut as its tokenizer would. Of k
    tokens that complete a character together, each holds 1/k of it. A special token, which has no text, holds nothing.

    Raises:
        ValueError: the text is not what the tokens decode to.
    """
    if not token_ids:
        return []
    alone = tokenizer.batch_decode(
        [[token] for token in token_ids], skip_special_tokens=True, clean_up_tokenization_spaces=False
    )
    if "".join(alone) == text:  # no token needs its neighbours, as almost always
        ends = [float(end) for end in accumulate(map(len, alone))]
        return list(zip([0.0, *ends[:-1]], ends, strict=True))
    prefixes = tokenizer.batch_decode(
        [list(token_ids[:end]) for end in range(1, len(token_ids) + 1)],
        skip_special_tokens=True,
        clean_up_tokenization_spaces=False,
    )
    settled = [_shared_length(prefix, text) for prefix in prefixes]
    if settled[-1] != len(text):
        raise ValueError(
            f"the response {text[:60]!r} is not what its tokens decode to ({prefixes[-1][:60]!r}); "
            "keep text and tokens as the model generated them."
        )
    # A prefix that ends within a character decodes to a replacement mark, beyond what it shares with the text.
    unfinished = [len(prefix) > length for prefix, length in zip(prefixes, settled, strict=True)]
    ends = _spread(settled, unfinished)
    return list(zip([0.0, *ends[:-1]], ends, strict=True))


def align(
    gradients: Float[Tensor, "judge_token d_judge"], judge_spans: Sequence[tuple[int, int]], spans: Sequence[Span]
) -> Float[Tensor, "token d_judge"]:
    """The judge's gradient at each model token: the sum over judge tokens, each by the share that overlaps."""
    starts, ends = torch.tensor(spans, dtype=gradients.dtype).reshape(-1, 2).T[:, :, None]
    judge_starts, judge_ends = torch.tensor(judge_spans, dtype=gradients.dtype).reshape(-1, 2).T[:, None, :]
    overlap = (torch.minimum(ends, judge_ends) - torch.maximum(starts, judge_starts)).clamp(min=0)
    # A judge token without characters overlaps nothing; the bound only keeps 0 / 0 away.
    return (overlap / (judge_ends - judge_starts).clamp(min=1)) @ gradients


def _shared_length(prefix: str, text: str) -> int:
    """Characters that two strings begin with in common."""
    pairs = enumerate(zip(prefix, text, strict=False))
    return next((length for length, (left, right) in pairs if left != right), min(len(prefix), len(text)))


def _spread(settled: Sequence[int], unfinished: Sequence[bool]) -> list[float]:
    """Where each token ends: a token that leaves a character unfinished ends at its share of that character."""
    pieces = Counter(character for character, partial in zip(settled, unfinished, strict=True) if partial)
    seen = Counter[int]()
    ends = []
    for character, partial in zip(settled, unfinished, strict=True):
        seen[character] += partial
        ends.append(character + (seen[character] / (pieces[character] + 1) if partial else 0.0))
    return ends
