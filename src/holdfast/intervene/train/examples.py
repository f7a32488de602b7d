"""Turns exchanges into rows of token ids, and shuffles them in an order that depends only on the seed.

A row holds the prompt, with the same tokens as in generation, then the response and the token that ends the turn. The
loss covers the last two.
"""

import logging

import torch
from transformers import (
    PreTrainedTokenizerBase,
)

from holdfast.prompts.chat import encode_exchange, encode_prompt, end_of_turn
from holdfast.records import Exchange

logger = logging.getLogger(__name__)
IGNORED = -100
"""Label of a token that the loss leaves out."""


class Unfinished(Exchange):
    """An exchange whose response a limit of tokens cut off, so that training on it must not teach to stop there."""


def shuffled_positions(count: int, length: int, seed: int) -> list[int]:
    """Returns `length` positions below `count`, in shuffled rounds that each contain every position once."""
    generator = torch.Generator().manual_seed(seed)
    positions: list[int] = []
    while len(positions) < length:
        positions += torch.randperm(count, generator=generator).tolist()
    return positions[:length]


def spread_positions(num_main: int, num_other: int, share: float, length: int, seed: int) -> list[int]:
    """Returns positions in a list of main examples followed by others, which are this share of all.

    The others are spread evenly among the main ones. Each kind comes in shuffled order.
    """
    is_other = [int((place + 1) * share) > int(place * share) for place in range(length)]
    num_others = sum(is_other)
    positions = {
        False: iter(shuffled_positions(num_main, length - num_others, seed)),
        True: iter(shuffled_positions(num_other, num_others, seed + 1)),
    }
    offset = {False: 0, True: num_main}
    return [offset[kind] + next(positions[kind]) for kind in is_other]


def training_row(tokenizer: PreTrainedTokenizerBase, exchange: Exchange, max_length: int) -> dict[str, list[int]]:
    """Returns the token ids and labels of an exchange. The loss leaves out the prompt, which is rendered as in
    generation.

    Raises:
        ValueError: no token of the response fits within `max_length`.
    """
    encoded = encode_exchange(tokenizer, exchange.prompt, exchange.response)
    token_ids = encoded.token_ids
    if isinstance(exchange, Unfinished) and encoded.spans[1]:
        token_ids = token_ids[: encoded.spans[1][-1].token + 1]
    shared = len(encode_prompt(tokenizer, exchange.prompt))
    if shared >= min(len(token_ids), max_length):
        raise ValueError(
            f"an exchange leaves no response within max_length={max_length}: its prompt has {shared} tokens; "
            f"raise max_length, up to the model's context, or remove it: {exchange.prompt[:60]!r}."
        )
    labels = [IGNORED] * shared + token_ids[shared:]
    return {"input_ids": token_ids[:max_length], "labels": labels[:max_length]}


def warn_without_end(tokenizer: PreTrainedTokenizerBase) -> None:
    """Logs a warning when no token ends a turn, because a model trained without one does not learn to stop."""
    if end_of_turn(tokenizer) is None:
        logger.warning(
            "no special token ends an assistant's turn in the chat template of %r, so training can't teach the model "
            "to stop: responses will run until their token limit; use a template that ends turns with a special token.",
            tokenizer.name_or_path,
        )
