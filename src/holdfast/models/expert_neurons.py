"""Shows the neurons of stacked experts as one tensor of (token, expert, d_mlp), zero where a token has no such expert.

transformers multiplies all tokens of an expert at once, without an activation that a hook could see. So within the
block the experts run one after another, with the family's own gate and weights. Neurons of experts that a token was not
sent to have no effect, and a change of them has none either.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.integrations.moe import ALL_EXPERTS_FUNCTIONS

Neurons = Float[Tensor, "position expert d_mlp"]
Tap = Callable[[Neurons], Neurons]

IMPLEMENTATION = "holdfast_neurons"
TAPS = "_holdfast_taps"


@contextmanager
def tapping_experts(model: PreTrainedModel, experts: nn.Module, tap: Tap) -> Iterator[None]:
    """Passes the neurons of these experts through a function in every forward pass within the block.

    Raises:
        ValueError: the experts compute in a way of their own, which shows no neurons.
    """
    if not hasattr(experts, "is_transposed"):  # so transformers marks experts whose computation can be replaced
        raise ValueError(
            f"the neurons of {type(experts).__name__} can't be read: it computes all experts in its own way; score the "
            "weights of this model in place of its neurons."
        )
    taps: list[Tap] = experts.__dict__.setdefault(TAPS, [])
    before = model.config._experts_implementation
    taps.append(tap)
    model.config._experts_implementation = IMPLEMENTATION
    try:
        yield
    finally:
        model.config._experts_implementation = before
        taps.remove(tap)
        if not taps:
            del experts.__dict__[TAPS]


def _forward(
    experts: nn.Module,
    hidden: Float[Tensor, "position d_model"],
    top_k_index: Int[Tensor, "position chosen"],
    top_k_weights: Float[Tensor, "position chosen"],
) -> Float[Tensor, "position d_model"]:
    """Computes all experts one after another, and passes their neurons through the taps."""
    count = len(experts.down_proj)  # pyright: ignore[reportArgumentType]
    positions, slots = (top_k_index < count).nonzero(as_tuple=True)
    order = top_k_index[positions, slots].argsort(stable=True)
    positions, slots = positions[order], slots[order]
    chosen = top_k_index[positions, slots]
    sizes = chosen.bincount(minlength=count).tolist()
    neurons = torch.cat([_neurons(experts, number, rows) for number, rows in enumerate(hidden[positions].split(sizes))])
    if taps := experts.__dict__.get(TAPS, ()):
        shown = neurons.new_zeros(len(hidden), count, neurons.shape[-1]).index_put((positions, chosen), neurons)
        for tap in taps:
            shown = tap(shown)
        neurons = shown[positions, chosen]
    outputs = _outputs(experts, neurons.split(sizes)) * top_k_weights[positions, slots, None]
    return torch.zeros_like(hidden).index_add(0, positions, outputs.to(hidden.dtype))


def _neurons(experts: nn.Module, number: int, hidden: Tensor) -> Tensor:
    """Returns the neurons of one expert for the tokens that it received."""
    gated = _product(experts, "gate_up_proj" if experts.has_gate else "up_proj", number, hidden)
    return experts._apply_gate(gated) if experts.has_gate else experts.act_fn(gated)  # pyright: ignore[reportCallIssue]


def _outputs(experts: nn.Module, neurons: Sequence[Tensor]) -> Tensor:
    outputs = torch.cat([_product(experts, "down_proj", number, rows) for number, rows in enumerate(neurons)])
    return experts.post_expert_norm(outputs) if experts.has_post_expert_norm else outputs  # pyright: ignore[reportCallIssue]


def _product(experts: nn.Module, name: str, number: int, rows: Tensor) -> Tensor:
    weight = getattr(experts, name)[number]
    bias = getattr(experts, f"{name}_bias")[number] if experts.has_bias else None
    return nn.functional.linear(rows, weight.T if experts.is_transposed else weight, bias)


ALL_EXPERTS_FUNCTIONS.register(IMPLEMENTATION, _forward)
