"""Finds the MLPs of a model, and the weights that belong to each of their hidden units, the neurons.

    h_i = act(gate_i . x) * (up_i . x),   y = sum over i of h_i down_i         (without a gate: h_i = act(up_i . x))

Neuron i reads by its rows of gate_proj and up_proj, and writes by its column of down_proj. Some families store the
matrices transposed, stack those of experts, or fuse gate and up. NAMES lists the words that they use. The sizes must
fit too, since attention can have matrices of these names.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Int
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from holdfast.models.sites import Site, scorable_sites

Part = Literal["down", "gate", "up"]
PARTS: tuple[Part, ...] = ("down", "gate", "up")


@dataclass(frozen=True)
class Names:
    """The words for the matrices of an MLP that lie in one module."""

    down: str
    up: str = ""
    gate: str = ""
    gate_up: str = ""
    """One tensor that holds the gate's matrix, then that of up."""

    @property
    def all(self) -> tuple[str, ...]:
        """The words of the matrices that such an MLP has."""
        return tuple(word for word in (self.down, self.up, self.gate, self.gate_up) if word)


NAMES = (
    Names("down_proj", up="up_proj", gate="gate_proj"),
    Names("down_proj", gate_up="gate_up_proj"),
    Names("down_proj", up="up_proj"),
    Names("c_proj", up="c_fc"),
    Names("dense_4h_to_h", up="dense_h_to_4h"),
    Names("fc2", up="fc1"),
    Names("fc_out", up="fc_in"),
    Names("w2", up="v1", gate="w1"),
    Names("w2", up="w3", gate="w1"),
    Names("output_linear", gate_up="input_linear"),
)


@dataclass(frozen=True)
class NeuronAxis:
    """The places of neurons in one parameter, seen as experts of two dimensions each."""

    name: str
    shape: tuple[int, int, int]
    """Experts, and the two dimensions of each. One expert for a matrix without any."""
    axis: Literal[1, 2]
    """Dimension along which the neurons lie."""
    fused: bool = False
    """True for a tensor that holds gate and up."""
    offset: int = 0
    """Place of an expert's first neuron along the axis."""
    step: int = 1
    """Places from a neuron to the next."""

    @property
    def length(self) -> int:
        """Places along the axis of one expert."""
        return self.shape[self.axis]

    @property
    def entries_each(self) -> int:
        """Number of weights of one neuron."""
        return self.shape[3 - self.axis]

    def entries(self, neurons: Int[Tensor, " neuron"], width: int) -> Int[Tensor, " entry"]:
        """Returns the sorted flat indices of all weights of some neurons.

        Args:
            neurons: flat indices of neurons, those of the first expert first.
            width: number of neurons of each expert.
        """
        _, height, length = self.shape
        starts = (neurons // width) * height * length
        places = self.offset + self.step * (neurons % width)
        across = torch.arange(self.entries_each)
        along, other = (length, 1) if self.axis == 1 else (1, length)
        return (starts[:, None] + along * places[:, None] + other * across).flatten().sort().values


@dataclass(frozen=True)
class Mlp:
    """The matrices between which the hidden units of one MLP lie, or those of a layer's stacked experts."""

    layer: int
    path: str
    """Path of the module that holds the matrices."""
    reader: str
    """Path of the matrix that reads the neurons."""
    num_experts: int
    """0 for an MLP without stacked experts."""
    width: int
    """Number of neurons, of each expert where there are several."""
    axes: Mapping[Part, NeuronAxis]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one token's neurons."""
        return (self.num_experts, self.width) if self.num_experts else (self.width,)


def find_mlps(model: PreTrainedModel) -> list[Mlp]:
    """Returns the MLPs in the model's order.

    Raises:
        ValueError: the model has no MLP with known names.
    """
    sites = {site.name.removesuffix(".weight"): site for site in scorable_sites(model)}
    mlps = [mlp for path, site in sites.items() if (mlp := _mlp(model, path, site, sites))]
    if not mlps:
        components = ", ".join(sorted({site.component for site in sites.values()}))
        raise ValueError(
            f"{type(model).__name__} has no MLP whose hidden units are known: its layers hold {components}; score its "
            "weights in place of its neurons."
        )
    return mlps


def _mlp(model: PreTrainedModel, path: str, down: Site, sites: Mapping[str, Site]) -> Mlp | None:
    block, _, word = path.rpartition(".")
    for names in NAMES:
        if names.down == word and all(f"{block}.{other}" in sites for other in names.all):
            inputs = {other: sites[f"{block}.{other}"] for other in names.all[1:]}
            axes = dict(_axes(model, names, down, inputs))
            width = axes["down"].length
            fits = all(axis.length == width * (2 if axis.fused else 1) for axis in axes.values())
            if fits and down.layer is not None:
                return Mlp(down.layer, block, path, down.layout.num_experts, width, axes)
    return None


def _axes(
    model: PreTrainedModel, names: Names, down: Site, inputs: Mapping[str, Site]
) -> Iterator[tuple[Part, NeuronAxis]]:
    transposed = _is_transposed(model, down, inputs.get(names.gate_up))
    yield "down", _axis(down, 1 if transposed or _is_stacked(down) else 2)
    if not names.gate_up:
        if names.gate:
            yield "gate", _axis(inputs[names.gate], 2 if transposed else 1)
        yield "up", _axis(inputs[names.up], 2 if transposed else 1)
        return
    both = inputs[names.gate_up]
    length = both.layout.parts[0] if both.layout.parts else 0  # without parts it is one matrix, and no MLP's
    along = replace(_axis(both, 1 if both.layout.axis == -2 else 2), fused=True, step=2 if length == 1 else 1)
    yield "gate", along
    yield "up", replace(along, offset=length)


def _axis(site: Site, axis: Literal[1, 2]) -> NeuronAxis:
    experts, length = max(1, site.layout.num_experts), site.shape[-1]
    return NeuronAxis(site.name, (experts, site.num_entries // experts // length, length), axis)


def _is_transposed(model: PreTrainedModel, down: Site, gate_up: Site | None) -> bool:
    """Returns True if the matrices are stored with their inputs first."""
    owner: nn.Module = model.get_submodule(down.name.rpartition(".")[0])
    if len(down.shape) == 3 and gate_up is not None:
        return gate_up.layout.axis == -1
    return isinstance(owner, Conv1D) or (len(down.shape) == 3 and bool(getattr(owner, "is_transposed", False)))


def _is_stacked(site: Site) -> bool:
    """Returns True if experts lie one below another in two dimensions, each with its neurons as rows."""
    return len(site.shape) == 2 and site.layout.num_experts > 0
