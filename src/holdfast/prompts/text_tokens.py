"""Token ids of a run of ordinary text, as they are at its place in a conversation, with the characters of each.

Some tokenizers put a blank in front of the very first text and of no other (Metaspace with prepend_scheme "first", as
the Llama tokenizers of transformers 5 have it). A run behind a special token is encoded without that blank.
"""

import json
from functools import lru_cache
from typing import NamedTuple, cast

from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerBase


class TextTokens(NamedTuple):
    """An encoded text."""

    token_ids: list[int]
    offsets: list[tuple[int, int]]
    """For every token, where its characters begin and end."""


def encode_text(tokenizer: PreTrainedTokenizerBase, text: str, *, at_start: bool) -> TextTokens:
    """Encodes a text in which nothing counts as a special token.

    Args:
        tokenizer: one that knows which characters a token holds.
        text: what is encoded.
        at_start: whether nothing stands before it.

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
        verbose=False,  # what is too long is told of in one sentence, by whoever knows the model
    )
    return TextTokens(encoded["input_ids"], encoded["offset_mapping"])


@lru_cache(maxsize=16)
def _without_first_blank(tokenizer: PreTrainedTokenizerBase, size: int) -> Tokenizer | None:
    """The tokenizer without a blank before the first text; None where it puts none. `size` tells of added tokens."""
    backend = cast(Tokenizer, tokenizer.backend_tokenizer)
    if backend.pre_tokenizer is None or '"first"' not in backend.pre_tokenizer.__getstate__().decode():
        return None
    state = json.loads(backend.to_str())
    for part in [state["pre_tokenizer"], *state["pre_tokenizer"].get("pretokenizers", ())]:
        if part.get("prepend_scheme") == "first":
            part["prepend_scheme"] = "never"
    made = Tokenizer.from_str(json.dumps(state))
    made.no_padding()
    made.no_truncation()
    made.encode_special_tokens = True  # as split_special_tokens
    return made
