"""From the judge's tokens to the model's: G_t = sum_j g_j * |characters(t) and characters(j)| / |characters(j)|

g_j is the judge's gradient at its token j. G_t is the part of it that falls on model token t. The two tokenizers split
the same text differently, so tokens are matched by their characters: no shared vocabulary or position is needed. Where
several model tokens encode one character (its bytes), each holds an equal part of it. The parts add up, so the G_t of a
response sum to its g_j.
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
    """Returns the characters [start, end) of the response text that each of its tokens holds, in order and without
    gaps.

    The spans come from decoding the tokens. Encoding the text again could split a sampled response in another way.
    Where k tokens encode one character together, each holds 1/k of it. A special token has no text and holds nothing.

    Raises:
        ValueError: the tokens decode to another text.
    """
    if not token_ids:
        return []
    alone = tokenizer.batch_decode(
        [[token] for token in token_ids], skip_special_tokens=True, clean_up_tokenization_spaces=False
    )
    if "".join(alone) == text:  # the usual case: every token decodes without its neighbours
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
    # A prefix that ends within a character decodes to a replacement mark behind the part that it shares with the text.
    unfinished = [len(prefix) > length for prefix, length in zip(prefixes, settled, strict=True)]
    ends = _spread(settled, unfinished)
    return list(zip([0.0, *ends[:-1]], ends, strict=True))


def align(
    gradients: Float[Tensor, "judge_token d_judge"], judge_spans: Sequence[tuple[int, int]], spans: Sequence[Span]
) -> Float[Tensor, "token d_judge"]:
    """Returns the judge's gradient at each model token: the sum over judge tokens, weighted by overlap."""
    starts, ends = torch.tensor(spans, dtype=gradients.dtype).reshape(-1, 2).T[:, :, None]
    judge_starts, judge_ends = torch.tensor(judge_spans, dtype=gradients.dtype).reshape(-1, 2).T[:, None, :]
    overlap = (torch.minimum(ends, judge_ends) - torch.maximum(starts, judge_starts)).clamp(min=0)
    # A judge token without characters overlaps nothing. The clamp only avoids 0 / 0.
    return (overlap / (judge_ends - judge_starts).clamp(min=1)) @ gradients


def _shared_length(prefix: str, text: str) -> int:
    """Counts the characters that two strings have in common at their beginning."""
    pairs = enumerate(zip(prefix, text, strict=False))
    return next((length for length, (left, right) in pairs if left != right), min(len(prefix), len(text)))


def _spread(settled: Sequence[int], unfinished: Sequence[bool]) -> list[float]:
    """Returns where each token ends. A token that leaves a character unfinished ends at its share of that character."""
    pieces = Counter(character for character, partial in zip(settled, unfinished, strict=True) if partial)
    seen = Counter[int]()
    ends = []
    for character, partial in zip(settled, unfinished, strict=True):
        seen[character] += partial
        ends.append(character + (seen[character] / (pieces[character] + 1) if partial else 0.0))
    return ends
