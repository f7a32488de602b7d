"""What one of several processes holds of a model that FSDP2 has sharded: of every parameter some rows.

Rows lie one after another in memory, so what a process holds of a parameter are consecutive entries of it in row-major
order. A mask's flat indices are those of the whole parameter; less the first entry held, they index the shard.
"""

from collections.abc import Mapping
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
    """The entries of a parameter that are held here."""

    shape: tuple[int, ...]
    """Of the whole parameter."""
    rows: range
    """Along its first dimension."""

    @property
    def start(self) -> int:
        """The first entry's flat index in the whole parameter."""
        return self.rows.start * entries_in(self.shape[1:])

    @property
    def count(self) -> int:
        """Entries held."""
        return len(self.rows) * entries_in(self.shape[1:])


def shard_layers(model: PreTrainedModel) -> None:
    """Leaves of a whole model, which is not to be trained, some rows of every weight in each process.

    The table of embeddings stays whole: a judge is asked for embeddings outside its forward pass.

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
    """Whether parameters lie in several processes."""
    return any(isinstance(weight, DTensor) for weight in model.parameters())


def held(weight: Tensor) -> Held:
    """Which entries of a parameter are here: all of one that is not sharded.

    Raises:
        ValueError: it is split otherwise than by rows, as tensor parallelism does.
    """
    shape = tuple(weight.shape)
    if not isinstance(weight, DTensor):
        return Held(shape, range(shape[0] if shape else 1))
    if weight.placements != (Shard(0),):
        raise ValueError(
            f"a parameter of shape {shape} is split as {weight.placements}, and only rows of a parameter can lie in "
            "several processes: shard with FSDP2 alone, without tensor parallelism and without replicas."
        )
    # As torch.chunk deals out rows: equal chunks, the last ones shorter or empty.
    length = -(-shape[0] // weight.device_mesh.size())
    first = min(weight.device_mesh.get_local_rank() * length, shape[0])
    return Held(shape, range(first, min(first + length, shape[0])))


def local(tensor: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """The rows that are here, in the very memory of the parameter or its gradient."""
    if not isinstance(tensor, DTensor):
        return tensor
    held(tensor)  # refuses another split
    return tensor.to_local()


def whole(tensor: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """All rows, gathered; every process has to ask for them."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def rows_of(tensor: Float[Tensor, "..."], here: Held) -> Float[Tensor, "..."]:
    """The rows of a whole tensor that are held here; all of one that is the same for every row."""
    return tensor if tensor.shape[0] == 1 else tensor[here.rows.start : here.rows.stop]


def held_by_name(model: nn.Module) -> Mapping[str, Held]:
    """What is held of every parameter."""
    return {name: held(weight) for name, weight in model.named_parameters()}
