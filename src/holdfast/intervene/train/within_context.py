"""Makes rows of token ids that fit the model: within its context, and with tokens that it has embeddings for."""

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from transformers import PreTrainedTokenizerBase

from holdfast.models.load import LoadedModel
from holdfast.models.tables import check_token_ids, context_of

Example = TypeVar("Example")
Row = dict[str, list[int]]
MakeRow = Callable[[PreTrainedTokenizerBase, Example, int], Row]
"""Returns the token ids of one example, given the tokenizer, the example and its maximum number of tokens."""
logger = logging.getLogger(__name__)


def rows_within_context(
    loaded: LoadedModel, examples: Sequence[Example], make_row: MakeRow[Example], max_length: int
) -> list[Row]:
    """Returns the token ids of every example, cut to `max_length`, or to the model's context with a warning if that is
    less.

    Args:
        loaded: the model with its tokenizer.
        examples: examples to train on.
        make_row: returns the token ids of one example.
        max_length: the caller's maximum number of tokens.

    Raises:
        ValueError: an example has a token that the model lacks, or no token of its response fits.
    """
    context = context_of(loaded.model)
    limit = min(max_length, context or max_length)
    rows = [make_row(loaded.tokenizer, example, limit) for example in examples]
    check_token_ids(loaded.model, loaded.tokenizer, [ids for row in rows for ids in row.values()])
    if limit < max_length:
        full = [place for place, row in enumerate(rows) if sum(map(len, row.values())) >= limit]
        whole = {place: make_row(loaded.tokenizer, examples[place], max_length) for place in full}
        if num_cut := sum(row != rows[place] for place, row in whole.items()):
            logger.warning(
                "%d of %d examples are cut to the model's context of %d tokens, where max_length=%d would keep more.",
                *(num_cut, len(rows), limit, max_length),
            )
    return rows
