"""Computes logits at chosen positions of a batch only, since a vocabulary is wide and few positions are needed."""

from collections.abc import Mapping
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import PreTrainedModel

LOGITS_AT_ONCE = 2**28
"""Maximum bytes of one float32 copy of a batch's logits. Computing with them takes two or three copies."""

LARGEST_BUDGET = 4096
"""Maximum tokens of a batch if no budget is given. Larger batches are no faster."""


def logits_budget(model: PreTrainedModel) -> int:
    """Returns the number of tokens for a batch whose logits are computed: 4096, or fewer for a wide vocabulary."""
    head = cast(nn.Module, model.get_output_embeddings())
    width = max(weight.shape[0] for weight in head.parameters())
    return max(1, min(LARGEST_BUDGET, LOGITS_AT_ONCE // (4 * width)))


def logits_at(
    model: PreTrainedModel,
    rows: Int[Tensor, " position"],
    columns: Int[Tensor, " position"],
    inputs: Mapping[str, Tensor | None],
) -> Float[Tensor, "position d_vocab"]:
    """Returns the logits of the token after each position (rows[i], columns[i]), in float32 or a wider dtype.

    Only those positions pass through the model's head. The forward pass is the model's own, so it includes operations
    after the head, such as Gemma's soft cap and Granite's scale.
    """

    def keep(_: nn.Module, arguments: tuple[Tensor, ...]) -> Tensor:
        hidden = arguments[0]
        return hidden[rows.to(hidden.device), columns.to(hidden.device)][None]

    head = cast(nn.Module, model.get_output_embeddings())
    handle = head.register_forward_pre_hook(keep)
    try:
        logits = model(**inputs, use_cache=False).logits[0]
    finally:
        handle.remove()
    return logits.to(torch.promote_types(logits.dtype, torch.float32))
