"""Continues a batch of prompts in the way that the model allows, each to its own end or to the end of the context."""

from collections.abc import Callable, Sequence
from functools import partial

from transformers import PreTrainedModel

from holdfast.models.continuing import STRETCH, Continued, Decoding, Written, continue_rows
from holdfast.models.tables import rooms_for_responses
from holdfast.models.ways import find_way

__all__ = ["STRETCH", "Continued", "continue_batch"]


def continue_batch(
    model: PreTrainedModel,
    encoded: Sequence[Sequence[int]],
    *,
    max_new_tokens: int,
    temperature: float,
    end_ids: set[int],
    pad_id: int,
    report: Callable[[int], None] | None = None,
) -> list[Continued]:
    """Returns the continuation of each sequence, in order. A sequence that fills the context gets an empty one.

    A temperature of 0 decodes greedily. `report` is called after every token with the number of tokens so far. A row
    that has ended counts with all the tokens that it could have.

    Raises:
        ValueError: the model can't be continued.
    """
    way = find_way(model, pad_id)
    limits = rooms_for_responses(model, [len(token_ids) for token_ids in encoded], max_new_tokens)
    # Only rows with equal room share a batch: a row with less room would run past the context.
    alike = [(limit, 0 if way.pads else len(token_ids)) for limit, token_ids in zip(limits, encoded, strict=True)]
    continued, before = [Continued() for _ in encoded], 0
    for limit, length in sorted(set(alike)):
        rows = [row for row, key in enumerate(alike) if key == (limit, length)]
        if limit:
            decoding = Decoding(limit, temperature, frozenset(end_ids), pad_id)
            watch = [Written(len(rows), limit, partial(_after, report, before))] if report else []
            finished = continue_rows(model, [encoded[row] for row in rows], decoding, way, watch=watch)
            before += len(rows) * limit
            for row, continuation in zip(rows, finished, strict=True):
                continued[row] = continuation
    return continued


def _after(report: Callable[[int], None], before: int, tokens: int) -> None:
    report(before + tokens)
