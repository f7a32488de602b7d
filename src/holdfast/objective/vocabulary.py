"""E(v) = mean over the judge's tokens of their input embeddings, for the text of each model token v

This is how the judge would read any token that the model could have said instead, whatever the two vocabularies.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from transformers import PreTrainedTokenizerBase

BLOCK = 8192  # strings embedded at once: bounds the memory of the judge's tokens
REPLACEMENT = "\ufffd"  # what bytes decode to that are no whole character


@runtime_checkable
class StringEmbedder(Protocol):
    """The part of a judge that reads strings."""

    def embed_strings(self, strings: Sequence[str]) -> Float[Tensor, "string d_judge"]: ...


def token_strings(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """The text that each token adds in the middle of a sentence; empty for special tokens and parts of a character.

    Tokens are decoded behind a letter, because some tokenizers drop a space where a text begins.
    """
    anchor = list(tokenizer("a", add_special_tokens=False)["input_ids"])
    sequences = [anchor, *([*anchor, token] for token in range(len(tokenizer)))]
    before, *texts = tokenizer.batch_decode(sequences, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    strings = [text.removeprefix(before) for text in texts]
    return ["" if REPLACEMENT in string else string for string in strings]


def embed_vocabulary(
    embedder: StringEmbedder, tokenizer: PreTrainedTokenizerBase
) -> tuple[Float[Tensor, "d_vocab d_judge"], Bool[Tensor, " d_vocab"]]:
    """The judge's embedding of every model token, and which tokens have a text that it could read."""
    strings = token_strings(tokenizer)
    blocks = [embedder.embed_strings(strings[start : start + BLOCK]) for start in range(0, len(strings), BLOCK)]
    return torch.cat(blocks), torch.tensor([bool(string) for string in strings])
