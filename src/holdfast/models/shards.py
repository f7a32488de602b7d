"""Finds the rows of every parameter that one of several processes holds, in a model that FSDP2 has sharded.

Rows lie one after another in memory. So a process holds consecutive entries of a parameter in row-major order. A mask's
flat indices count in the whole parameter. Minus the index of the first entry held, they index the shard.
"""

from dataclasses import dataclass
from typing import cast

from jaxtyping import Float
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, Shard
from transformers import PreTrainedModel

from holdfast.distributed import world_size
from holdfast.models.roles import find_layers
from holdfast.values import entries_in


@dataclass(frozen=True)
class Held:
    """The entries of a parameter that this process holds."""

    shape: tuple[int, ...]
    """Shape of the whole parameter."""
    rows: range
    """Rows held, along the first dimension."""

    @property
    def start(self) -> int:
        """Flat index of the first held entry in the whole parameter."""
        return self.rows.start * entries_in(self.shape[1:])

    @property
    def count(self) -> int:
        """Number of entries held."""
        return len(self.rows) * entries_in(self.shape[1:])


def shard_layers(model: PreTrainedModel) -> None:
    """Shards a whole model that will not be trained: every process keeps some rows of every weight.

    The table of embeddings stays whole, since a judge needs embeddings outside of its forward pass.

    Raises:
        ValueError: the model has no list of layers.
    """
    layers = find_layers(model)
    if layers is None:
        raise ValueError(
            f"a {type(model).__name__} has no list of layers that could be sharded; leave shard-judge out."
        )
    model.requires_grad_(False)
    mesh = init_device_mesh(model.device.type, (world_size(),))
    table = cast(nn.Module, model.get_input_embeddings())
    for layer in model.get_submodule(layers.rstrip(".")).children():
        fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh, ignored_params=set(table.parameters()), reshard_after_forward=True)


def is_sharded(model: nn.Module) -> bool:
    """Returns True if several processes share the model's parameters."""
    return any(isinstance(weight, DTensor) for weight in model.parameters())


def held(weight: Tensor) -> Held:
    """Returns the entries of a parameter that this process holds. If the parameter is not sharded, these are all.

    Raises:
        ValueError: the parameter is split in another way than by rows, as tensor parallelism does.
    """
    shape = tuple(weight.shape)
    if not isinstance(weight, DTensor):
        return Held(shape, range(shape[0] if shape else 1))
    if weight.placements != (Shard(0),):
        raise ValueError(
            f"a parameter of shape {shape} is split as {weight.placements}, and holdfast can only split parameters by "
            "rows; shard with FSDP2 alone, without tensor parallelism and without replicas."
        )
    # FSDP2 divides rows like torch.chunk: equal chunks, the last ones shorter or empty.
    length = -(-shape[0] // weight.device_mesh.size())
    first_row = min(weight.device_mesh.get_local_rank() * length, shape[0])
    return Held(shape, range(first_row, min(first_row + length, shape[0])))


def local(tensor: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Returns the rows that this process holds. They share memory with the parameter or its gradient."""
    if not isinstance(tensor, DTensor):
        return tensor
    held(tensor)  # refuses another split
    return tensor.to_local()


def whole(tensor: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Gathers all rows. Every process has to call this."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def rows_of(tensor: Float[Tensor, "..."], here: Held) -> Float[Tensor, "..."]:
    """Returns the held rows of a whole tensor. A tensor with a single row holds for every row and comes back whole."""
    return tensor if tensor.shape[0] == 1 else tensor[here.rows.start : here.rows.stop]
