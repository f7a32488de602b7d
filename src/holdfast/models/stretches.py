"""Continue a batch of prompts in the way that the model allows, each to its own end or to the end of the context."""

from collections.abc import Sequence

from transformers import PreTrainedModel

from holdfast.models.continuing import STRETCH, Continued, Decoding, continue_rows
from holdfast.models.tables import room_for_response
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
) -> list[Continued]:
    """What follows each sequence, in order; greedy at temperature 0, and nothing where a sequence fills the context.

    Raises:
        ValueError: the model can't be continued.
    """
    way = find_way(model, pad_id)
    limits = [room_for_response(model, len(token_ids), max_new_tokens) for token_ids in encoded]
    # One that has less room than the others would go beyond the context with them.
    alike = [(limit, 0 if way.pads else len(token_ids)) for limit, token_ids in zip(limits, encoded, strict=True)]
    found = [Continued() for _ in encoded]
    for limit, length in sorted(set(alike)):
        rows = [row for row, key in enumerate(alike) if key == (limit, length)]
        if limit:
            decoding = Decoding(limit, temperature, frozenset(end_ids), pad_id)
            made = continue_rows(model, [encoded[row] for row in rows], decoding, way)
            for row, one in zip(rows, made, strict=True):
                found[row] = one
    return found
