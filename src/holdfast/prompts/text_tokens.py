"""Encodes a run of ordinary text at its place in a conversation, and finds the characters of each token.

Some tokenizers put a blank in front of the very first text only. This is Metaspace with prepend_scheme "first", as in
the Llama tokenizers of transformers 5. A run after a special token is encoded without that blank.
"""

import json
from functools import lru_cache
from typing import NamedTuple, cast

from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerBase


class TextTokens(NamedTuple):
    """The tokens of a text."""

    token_ids: list[int]
    offsets: list[tuple[int, int]]
    """For every token, where its characters begin and end."""


def encode_text(tokenizer: PreTrainedTokenizerBase, text: str, *, at_start: bool) -> TextTokens:
    """Encodes a text. Nothing in it counts as a special token.

    Args:
        tokenizer: a tokenizer that knows which characters a token holds.
        text: the text to encode.
        at_start: True if nothing stands before the text.

    Raises:
        ValueError: the tokenizer does not know the characters of its tokens.
    """
    if not tokenizer.is_fast:
        raise ValueError(
            f"the tokenizer of {tokenizer.name_or_path!r} ({type(tokenizer).__name__}) is written in Python and can't "
            "tell which characters a token holds; give a model that has a tokenizer.json."
        )
    behind = None if at_start else _without_first_blank(tokenizer, len(tokenizer))
    if behind is not None:
        encoding = behind.encode(text, add_special_tokens=False)
        return TextTokens(encoding.ids, encoding.offsets)
    encoded = tokenizer(
        text,
        add_special_tokens=False,
        return_offsets_mapping=True,
        split_special_tokens=True,
        verbose=False,  # callers that know the model report what is too long, in one sentence
    )
    return TextTokens(encoded["input_ids"], encoded["offset_mapping"])


@lru_cache(maxsize=16)
def _without_first_blank(tokenizer: PreTrainedTokenizerBase, size: int) -> Tokenizer | None:
    """Returns the tokenizer without the blank before the first text. None if it puts none there.

    `size` makes the cache notice added tokens.
    """
    backend = cast(Tokenizer, tokenizer.backend_tokenizer)
    if backend.pre_tokenizer is None or '"first"' not in backend.pre_tokenizer.__getstate__().decode():
        return None
    state = json.loads(backend.to_str())
    for part in [state["pre_tokenizer"], *state["pre_tokenizer"].get("pretokenizers", ())]:
        if part.get("prepend_scheme") == "first":
            part["prepend_scheme"] = "never"
    changed = Tokenizer.from_str(json.dumps(state))
    changed.no_padding()
    changed.no_truncation()
    changed.encode_special_tokens = True  # like split_special_tokens=True
    return changed
