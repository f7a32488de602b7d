"""E(v) = mean over the judge's tokens of their input embeddings, for the text of each model token v

This is the judge's reading of any token that the model could generate instead, for any two vocabularies.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from transformers import PreTrainedTokenizerBase

BLOCK = 8192  # strings embedded at once, to bound the memory of the judge's tokens
REPLACEMENT = "\ufffd"  # decoded text of bytes that form no whole character


@runtime_checkable
class StringEmbedder(Protocol):
    """The embedding of strings, as an objective needs it from a judge."""

    def embed_strings(self, strings: Sequence[str]) -> Float[Tensor, "string d_judge"]: ...


def token_strings(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """Returns the text that each token adds in the middle of a sentence. Special tokens and parts of a character give
    "".

    Tokens are decoded behind a letter, because some tokenizers drop a space at the start of a text.
    """
    anchor = list(tokenizer("a", add_special_tokens=False)["input_ids"])
    sequences = [anchor, *([*anchor, token] for token in range(len(tokenizer)))]
    before, *texts = tokenizer.batch_decode(sequences, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    strings = [text.removeprefix(before) for text in texts]
    return ["" if REPLACEMENT in string else string for string in strings]


def embed_vocabulary(
    embedder: StringEmbedder, tokenizer: PreTrainedTokenizerBase
) -> tuple[Float[Tensor, "d_vocab d_judge"], Bool[Tensor, " d_vocab"]]:
    """Returns the judge's embedding of every model token, and a mask of the tokens that have a text."""
    strings = token_strings(tokenizer)
    blocks = [embedder.embed_strings(strings[start : start + BLOCK]) for start in range(0, len(strings), BLOCK)]
    return torch.cat(blocks), torch.tensor([bool(string) for string in strings])
