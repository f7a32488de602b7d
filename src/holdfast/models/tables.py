"""Checks tokens against the size of a model's tables: positions up to its context, ids up to its embedding's last row.

Code that feeds token ids to a model calls this file first. Otherwise a user would meet an index that is out of range.
If positions are computed and not looked up, no error would appear at all. A response may fill what its prompt leaves of
the context.
"""

from collections.abc import Sequence
from typing import cast

from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

CONTEXT_NAMES = ("max_position_embeddings", "max_seq_len", "max_sequence_length", "context_length", "seq_length")
"""Names that configs use for the number of positions, the usual name first."""


def context_of(model: PreTrainedModel) -> int | None:
    """Returns the largest number of tokens in a sequence. None for a model without a limit, such as a recurrent one.

    If a scaling of rotary positions extends the limit, the extended one counts.
    """
    config = model.config.get_text_config()
    named = [limit for name in CONTEXT_NAMES if isinstance(limit := getattr(config, name, None), int) and limit > 0]
    if not named:
        return None
    scaling = getattr(config, "rope_parameters", None) or {}
    factor, original = scaling.get("factor"), scaling.get("original_max_position_embeddings")
    scaled = int(factor * original) if factor and original else 0
    return max(named[0], scaled) - _num_reserved(model, named[0])


def num_token_ids(model: PreTrainedModel) -> int | None:
    """Returns the number of rows of the token embedding, beyond which no id is known.

    None if the model names no embedding.
    """
    words = _embedding(model)
    return words and words.weight.shape[0]


def pad_id_for(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int:
    """Returns an id to pad with: the tokenizer's own, or another that the model has a row for.

    Padding is masked out.
    """
    num_rows = num_token_ids(model)
    for token_id in (tokenizer.pad_token_id, tokenizer.eos_token_id):
        if isinstance(token_id, int) and token_id >= 0 and (num_rows is None or token_id < num_rows):
            return token_id
    return 0


def room_for_response(model: PreTrainedModel, prompt_length: int, max_new_tokens: int) -> int:
    """Returns the number of tokens that a response may have, at least 0.

    It is `max_new_tokens`, or fewer if the context ends first.
    """
    return rooms_for_responses(model, [prompt_length], max_new_tokens)[0]


def rooms_for_responses(model: PreTrainedModel, prompt_lengths: Sequence[int], max_new_tokens: int) -> list[int]:
    """Returns the number of tokens that the response to each prompt may have, as `room_for_response` does for one.

    It looks at the model's modules once.
    """
    context = context_of(model)
    if context is None:
        return [max_new_tokens] * len(prompt_lengths)
    return [max(0, min(max_new_tokens, context - length)) for length in prompt_lengths]


def check_token_ids(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, sequences: Sequence[Sequence[int]]
) -> None:
    """Raises ValueError if a sequence holds an id that the model's embedding has no row for."""
    num_rows = num_token_ids(model)
    if num_rows is None:
        return
    beyond = {token_id for sequence in sequences for token_id in sequence if token_id >= num_rows}
    if beyond:
        token_id = min(beyond)
        raise ValueError(
            f"token {tokenizer.convert_ids_to_tokens(token_id)!r} has id {token_id} in the tokenizer, and the model's "
            f"embedding has {num_rows} rows, for ids up to {num_rows - 1}; use the tokenizer that the model was "
            "trained with, or call `resize_token_embeddings`, train the new rows and save the model again."
        )


def check_fits(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, sequences: Sequence[Sequence[int]]) -> None:
    """Raises ValueError if a sequence is longer than the model's context, or holds an id beyond its embedding."""
    check_token_ids(model, tokenizer, sequences)
    context = context_of(model)
    longest = max(sequences, key=len, default=())
    if context is not None and len(longest) > context:
        text = str(tokenizer.decode(list(longest)[:60]))[:60]
        raise ValueError(
            f"an exchange of {len(longest)} tokens is longer than the model's context of {context}; shorten or remove "
            f"it: {text!r}."
        )


def _embedding(model: PreTrainedModel) -> nn.Embedding | None:
    try:
        return cast(nn.Embedding, model.get_input_embeddings())
    except NotImplementedError:  # raised by classes outside of transformers that don't name their embedding
        return None


def _num_reserved(model: PreTrainedModel, context: int) -> int:
    """Counts the rows of a position table that no token gets. RoBERTa counts positions from behind a padding row."""
    words = _embedding(model)
    for module in model.modules():
        if isinstance(module, nn.Embedding) and module is not words and module.num_embeddings == context:
            return 0 if module.padding_idx is None else module.padding_idx + 1
    return 0
