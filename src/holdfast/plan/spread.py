"""Parts of a sharded model in each process, and the parameters that a pass gathers   (bytes, of the first process)

    held        b * sum over parameters of ceil(rows / N) * entries of a row        in one process, or unsharded: b P
    gathered    max over groups of  2 b E + (b + 4) T

FSDP2 splits the rows of every parameter over N processes, and gathers them group by group: a layer, the embedding, the
head. A value has b bytes. A group has E entries, padded to equal parts, and T of them have a gradient. While a pass
computes with one group, it gathers the next (2 b E). Whole gradients of a group (b T) stay until they are sent in
float32 (4 T). The rows of stacked experts are the experts. With more processes than experts, the first processes
hold one expert each, and the gathered tensor is padded to one expert per process.

Sources: torch.distributed.fsdp of torch 2.13. The groups are those of `models/load.py`.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor
from transformers import PreTrainedModel

from holdfast.models.roles import find_layers

SENT = 4
"""Bytes of a gradient's entry while it is sent. `models/load.py` sets float32 for the reduction."""


@dataclass(frozen=True)
class Spread:
    """Processes that work together, each with the whole model or with a shard of it."""

    processes: int = 1
    shard: bool = False

    @property
    def parts(self) -> int:
        """Number of parts that the model is split into."""
        return self.processes if self.shard else 1

    def held(self, weights: Iterable[Tensor]) -> int:
        """Number of entries of these parameters in the first process, which holds the most."""
        return sum(-(-_rows(weight) // self.parts) * (weight.numel() // _rows(weight)) for weight in weights)

    def gathered(self, model: PreTrainedModel, width: int, trained: Collection[str] = ()) -> int:
        """Most bytes that a pass gathers of parameters and of their gradients.

        Args:
            model: a model with names and shapes only.
            width: bytes of a value.
            trained: names of the parameters that get a gradient.
        """
        if self.parts == 1:
            return 0
        return max(self._gathered(group, width, trained) for group in _groups(model).values())

    def _gathered(self, group: Mapping[str, Tensor], width: int, trained: Collection[str]) -> int:
        with_gradient = (weight for name, weight in group.items() if name in trained)
        whole, graded = self.parts * self.held(group.values()), self.parts * self.held(with_gradient)
        return 2 * width * whole + (width + SENT) * graded


IN_ONE = Spread()
"""Work in one process."""


def _rows(weight: Tensor) -> int:
    return weight.shape[0] if weight.dim() else 1


def _groups(model: PreTrainedModel) -> Mapping[str, dict[str, Tensor]]:
    """Groups the parameters as FSDP2 gathers them: one group for every layer, and one for every other module."""
    layers = find_layers(model)
    groups: dict[str, dict[str, Tensor]] = {}
    for name, weight in model.named_parameters():
        is_in_layer = layers is not None and name.startswith(layers)
        group = name.removeprefix(layers).partition(".")[0] if layers and is_in_layer else name.rpartition(".")[0]
        groups.setdefault(group, {})[name] = weight
    return groups
