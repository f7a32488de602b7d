"""Allocations of TRL's fused head, which computes the loss tile by tile (4,096 tokens by 32,768 words)   (bytes)

    forward    a tile of logits, in the dtype of the products
    backward   the same tile again, float32 gradients of the hidden states and of the head
    on a CPU   beside the tile 7.25 times its size in float32, for the intermediate results of its steps

Source: TRL 1.16, kernels/chunked_logprob.py. Deviation: where the vocabulary is smaller than a tile, TRL allocates a
whole tile and uses a part of it. Only that part is counted, because a CPU allocates memory when it is used. Every token
of the batch counts, whether the loss uses it or not.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx

TOKENS, WORDS = 4096, 32768
"""Size of a tile."""
STEPS_ON_CPU = 7.25


def fused_log_probabilities(
    hidden: Float[Tensor, "token d_model"], head: nn.Module, half: bool
) -> Float[Tensor, " token"]:
    """Makes a log-probability per token with the allocations of TRL's head. `half` is bfloat16 on an accelerator."""
    return _FusedHead.apply(hidden, head.weight, half)  # pyright: ignore[reportReturnType]


class _Context(FunctionCtx):
    """Values that the forward pass keeps for the backward pass."""

    half: bool
    saved_tensors: tuple[Tensor, Tensor]
    needs_input_grad: tuple[bool, ...]


class _FusedHead(torch.autograd.Function):
    @staticmethod
    def forward(ctx: "_Context", hidden: Tensor, weight: Tensor, half: bool) -> Tensor:
        ctx.save_for_backward(hidden, weight)
        ctx.half = half
        _tiles(hidden, weight, half)
        return hidden.new_empty(len(hidden), dtype=torch.float32)

    @staticmethod
    def backward(ctx: "_Context", *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        hidden, weight = ctx.saved_tensors
        of_hidden = torch.zeros_like(hidden, dtype=torch.float32)
        of_weight = torch.zeros_like(weight, dtype=torch.float32) if ctx.needs_input_grad[1] else None
        _tiles(hidden, weight, ctx.half, products=2 + (of_weight is not None))
        return of_hidden.to(hidden.dtype), None if of_weight is None else of_weight.to(weight.dtype), None


def _tiles(hidden: Tensor, weight: Tensor, half: bool, products: int = 1) -> None:
    """Allocates and frees each tile with its intermediate results, once for every product of its size."""
    dtype = torch.bfloat16 if half else torch.float32
    for _ in range(products):
        for tokens in hidden.to(dtype).split(TOKENS):
            for words in weight.split(WORDS):
                tile = tokens @ words.to(dtype).t()
                tile.new_empty(0 if half else int(tile.numel() * STEPS_ON_CPU))
