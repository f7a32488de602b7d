"""Locates the matrices in a tensor that holds several, so that each gets a sigma of its own, not that of the mixture.

A tensor is cut twice. The first cut makes experts: slices of equal size along its first dimension. The second cut
divides every slice by outputs. Along one axis come the outputs of the first matrix, then those of the second, and so
on. This pattern repeats to the end of the axis.
    Phi-3          qkv_proj (q + k + v, d_model)              parts (q, k, v)
    GPT-2          c_attn (d_model, 3 d_model), a Conv1D      parts (d_model, d_model, d_model) along the columns
    GPT-NeoX       query_key_value (3 d_model, d_model)       parts (d_head, d_head, d_head), once for every head
    Mixtral        gate_up_proj (expert, 2 d_mlp, d_model)    parts (d_mlp, d_mlp)
    gpt-oss        gate_up_proj (expert, d_model, 2 d_mlp)    parts (1, 1) along the columns, d_mlp times
Sizes show that a tensor holds several matrices: it has more outputs than the matrix that reads them has inputs. Sizes
do not show how the matrices lie, so FUSED lists this for the names that transformers uses. A tensor that is not listed,
or whose sizes do not fit, counts as one matrix.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D


@dataclass(frozen=True)
class Layout:
    """The division of a tensor's entries among matrices."""

    num_experts: int = 0
    """Experts whose matrices lie one after another along the first dimension. 0 if the tensor holds no experts."""
    parts: tuple[int, ...] = ()
    """Outputs of each matrix in turn, repeated to the end of the axis. Empty if all outputs belong to one matrix."""
    axis: Literal[-2, -1] = -2
    """The axis of the outputs: -2 in most tensors, -1 where they are stored transposed (Conv1D, gpt-oss)."""

    @property
    def num_matrices(self) -> int:
        """Number of matrices in the tensor."""
        return max(1, self.num_experts) * max(1, len(self.parts))


ONE_MATRIX = Layout()


@dataclass(frozen=True)
class Fused:
    """The arrangement of matrices that are stored as one tensor."""

    reader: str
    """The matrix of the same block that takes the outputs of one matrix as inputs. The others share the remaining
    outputs equally."""
    count: int
    """Number of matrices stored as one."""
    read: int = 0
    """Index of the matrix that the reader reads, or that has the size of what it reads."""
    repeats: Literal["once", "head", "key_head"] = "once"
    """`once` if each matrix is whole. Otherwise the parts of a head lie together, or of a group of heads with common
    keys."""


FUSED: Mapping[str, Fused] = {
    "gate_up_proj": Fused("down_proj", 2),
    "input_linear": Fused("output_linear", 2),
    "qkv_proj": Fused("o_proj", 3),
    "Wqkv": Fused("out_proj", 3),
    "c_attn": Fused("c_proj", 3, repeats="key_head"),  # once in a Conv1D
    "query_key_value": Fused("dense", 3, repeats="key_head"),
    "kv_proj": Fused("experts.output_linear", 2),
    "kv_a_proj_with_mqa": Fused("kv_b_proj", 2),
    "kv_b_proj": Fused("o_proj", 2, read=1, repeats="head"),
}


def layout_of(model: PreTrainedModel, name: str) -> Layout:
    """Returns the layout of a parameter that has the role matrix."""
    block_path, _, word = name.removesuffix(".weight").rpartition(".")
    owner_path, _, own_name = name.rpartition(".")
    owner = model.get_submodule(owner_path)
    weight = owner.get_parameter(own_name)
    num_experts = count_experts(owner, weight)
    fused = FUSED.get(word)
    block = model.get_submodule(block_path) if fused else owner
    reader = _reader(block, fused.reader) if fused else None
    if fused is None or reader is None:
        return Layout(num_experts)
    axis, input_axis = (-1, -2) if _is_transposed(owner, weight, reader) else (-2, -1)
    sizes = _sizes(fused, weight.shape[axis], reader.shape[input_axis])
    repeats = _repeats(fused, sizes, owner, block, model)
    fits = repeats and sum(sizes) == weight.shape[axis] and all(size > 0 and size % repeats == 0 for size in sizes)
    return Layout(num_experts, tuple(size // repeats for size in sizes), axis) if fits else Layout(num_experts)


def count_experts(owner: nn.Module, weight: Tensor) -> int:
    """Counts the experts that a parameter stacks: 3-D slices, or rows if the owner names a number of experts."""
    if weight.dim() == 3:
        return len(weight)
    counts = (getattr(owner, name, None) for name in ("num_experts", "moe_num_experts"))
    count = next((count for count in counts if isinstance(count, int)), 0)
    several = weight.dim() == 2 and count > 0 and len(weight) > count and len(weight) % count == 0
    return count if several else 0


def sigma(weight: Float[Tensor, "..."], layout: Layout) -> Float[Tensor, "..."]:
    """Returns the sample standard deviation of the matrix that each entry belongs to.

    The result is float32 and broadcasts to the weight's shape.
    """
    experts = weight.detach() if weight.dim() == 3 else weight.detach().unflatten(0, (max(1, layout.num_experts), -1))
    num_outputs = experts.shape[layout.axis]
    parts = layout.parts or (num_outputs,)
    # One at a time: at most one matrix is held in float32.
    deviations = torch.stack([part.float().std() for expert in experts for part in _split(expert, parts, layout.axis)])
    by_part = deviations.view(len(experts), len(parts))
    once = by_part.repeat_interleave(torch.tensor(parts, device=weight.device), dim=1)
    by_output = once.repeat(1, num_outputs // sum(parts)).unsqueeze(-1 if layout.axis == -2 else -2)
    return by_output if weight.dim() == 3 else by_output.flatten(0, 1)


def _split(
    expert: Float[Tensor, "..."], parts: tuple[int, ...], axis: Literal[-2, -1]
) -> tuple[Float[Tensor, "..."], ...]:
    return expert.unflatten(axis, (-1, sum(parts))).split(parts, dim=axis)


def _reader(block: nn.Module, path: str) -> Tensor | None:
    try:
        matrix = attrgetter(path)(block)
    except AttributeError:
        return None
    return getattr(matrix, "weight", matrix)


def _is_transposed(owner: nn.Module, weight: Tensor, reader: Tensor) -> bool:
    """Returns True if the outputs lie along the last axis.

    For stacked experts the sizes tell: a (d_model, 2 d_mlp) tensor is read by a (d_mlp, d_model) one.
    """
    return isinstance(owner, Conv1D) or (weight.dim() == 3 and weight.shape[-1] == 2 * reader.shape[-2])


def _sizes(fused: Fused, outputs: int, read: int) -> list[int]:
    sizes = [(outputs - read) // (fused.count - 1)] * fused.count
    sizes[fused.read] = read
    return sizes


def _repeats(fused: Fused, sizes: list[int], owner: nn.Module, block: nn.Module, model: PreTrainedModel) -> int:
    """Returns the number of times that the parts repeat. 0 if that can't be known."""
    if not getattr(owner, "is_concatenated", True):  # so transformers marks experts: gate 0, up 0, gate 1, up 1, ...
        return sizes[fused.read]
    if fused.repeats == "once" or isinstance(owner, Conv1D):
        return 1
    num_heads = getattr(block, "num_heads", None) or getattr(model.config.get_text_config(), "num_attention_heads", 0)
    if fused.repeats == "head" or not num_heads:
        return num_heads
    return sizes[-1] // max(1, sizes[fused.read] // num_heads)
