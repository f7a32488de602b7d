"""Logits at one position of each sequence, and none elsewhere: a vocabulary is wide, a verdict is one token."""

from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import PreTrainedModel


def logits_at(
    model: PreTrainedModel, positions: Int[Tensor, " batch"], inputs: dict[str, Any]
) -> Float[Tensor, "batch d_vocab"]:
    """Logits of the token after one position of every row, at least float32.

    Only those positions pass the model's head. The forward pass is the model's own, so what it does behind the head,
    such as Gemma's soft cap and Granite's scale, is done here too.
    """

    def keep(_: nn.Module, arguments: tuple[Tensor, ...]) -> Tensor:
        hidden = arguments[0]
        rows = torch.arange(len(hidden), device=hidden.device)
        return hidden[rows, positions.to(hidden.device)][:, None]

    head = cast(nn.Module, model.get_output_embeddings())
    handle = head.register_forward_pre_hook(keep)
    try:
        logits = model(**inputs, use_cache=False).logits[:, 0]
    finally:
        handle.remove()
    return logits.to(torch.promote_types(logits.dtype, torch.float32))
