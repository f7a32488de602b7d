"""What several processes hold of one model, and what each gathers of it for a moment   (bytes, of the first process)

    held        b * sum over parameters of ceil(rows / N) * entries of a row        in one process, or unsharded: b P
    gathered    max over groups of  2 b E + (b + 4) T

N processes share a model of b bytes a value by FSDP2, which deals out the rows of every parameter and gathers them
group by group: a layer, the embedding, the head. A group has E entries, padded to equal parts, and T of them have a
gradient. One group is computed with while the next is on its way (2 b E); whole gradients of a group (b T) are there
until they are sent, in float32 (4 T). The rows of stacked experts are the experts: over more processes than experts
the first ones hold as much as ever, and what is gathered is padded to an expert a process.

Source: torch.distributed.fsdp of torch 2.13; the groups are those of `models/load.py`.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor
from transformers import PreTrainedModel

from holdfast.models.roles import find_layers

SENT = 4
"""Bytes of an entry of a gradient on its way: `models/load.py` has them added up in float32."""


@dataclass(frozen=True)
class Spread:
    """How many processes work on one thing, and whether each holds a part of the model or all of it."""

    processes: int = 1
    shard: bool = False

    @property
    def parts(self) -> int:
        """Parts that the model is in."""
        return self.processes if self.shard else 1

    def held(self, weights: Iterable[Tensor]) -> int:
        """Entries of these parameters in the first process, which holds the most."""
        return sum(-(-_rows(weight) // self.parts) * (weight.numel() // _rows(weight)) for weight in weights)

    def gathered(self, model: PreTrainedModel, width: int, trained: Collection[str] = ()) -> int:
        """Bytes that a pass has of other processes' parameters, and of their gradients, at most.

        Args:
            model: names and shapes.
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
"""One process."""


def _rows(weight: Tensor) -> int:
    return weight.shape[0] if weight.dim() else 1


def _groups(model: PreTrainedModel) -> Mapping[str, dict[str, Tensor]]:
    """The parameters of every layer together, and those of any other module by themselves."""
    layers = find_layers(model)
    found: dict[str, dict[str, Tensor]] = {}
    for name, weight in model.named_parameters():
        is_in_layer = layers is not None and name.startswith(layers)
        group = name.removeprefix(layers).partition(".")[0] if layers and is_in_layer else name.rpartition(".")[0]
        found.setdefault(group, {})[name] = weight
    return found
