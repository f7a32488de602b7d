"""Lists the activations of a model that can be read and changed, as data: neurons, residual stream and MLP outputs.

    neurons      PATH.down_proj@input    hidden units of an MLP, after the nonlinearity: (d_mlp,) or (expert, d_mlp)
    residual     PATH.layers.3@output    residual stream that leaves layer 3: (d_model,)
    mlp output   PATH.layers.3.mlp@output  sum that the MLP, or all experts, add to the residual stream: (d_model,)
    input        PATH@input              input of any module

A site's name is the path of a module or of a stacked parameter, with the side of it that is meant.
"""

from dataclasses import dataclass
from typing import Literal

from transformers import PreTrainedModel

from holdfast.models.mlps import Mlp, find_mlps
from holdfast.models.roles import find_layers

Side = Literal["input", "output"]


@dataclass(frozen=True)
class ActivationSite:
    """A place in a model whose activations can be read or changed."""

    path: str
    """Path of the module, or of the stacked parameter that reads experts' neurons."""
    side: Side
    """Side of the module: its first input, or its output."""
    shape: tuple[int, ...]
    """Shape of one token's activation."""
    layer: int | None = None
    """Index of the layer. None outside the layers."""
    layer_path: str = ""
    """Path of the layer, whose input shows batch and tokens. The whole model where empty."""

    @property
    def name(self) -> str:
        """The site's name in files, such as 'model.layers.3.mlp.down_proj@input'."""
        return f"{self.path}@{self.side}"


def neuron_sites(model: PreTrainedModel) -> list[ActivationSite]:
    """Returns the hidden units of every MLP, in the model's order.

    Raises:
        ValueError: the model has no MLP with known names.
    """
    layers = _layers(model)
    return [
        ActivationSite(mlp.reader, "input", mlp.shape, mlp.layer, f"{layers}{mlp.layer}") for mlp in find_mlps(model)
    ]


def residual_site(model: PreTrainedModel, layer: int) -> ActivationSite:
    """Returns the residual stream that leaves a layer. Negative numbers count from the last layer.

    Raises:
        ValueError: the model has no such layer.
    """
    sites = residual_sites(model)
    if not -len(sites) <= layer < len(sites):
        raise ValueError(f"layer {layer} is not one of this model's {len(sites)}; give 0 to {len(sites) - 1}.")
    return sites[layer]


def residual_sites(model: PreTrainedModel) -> list[ActivationSite]:
    """Returns the residual stream that leaves every layer, in order."""
    layers, width = _layers(model), _width(model)
    count = len(list(model.get_submodule(layers.rstrip(".")).children()))
    return [
        ActivationSite(f"{layers}{number}", "output", (width,), number, f"{layers}{number}") for number in range(count)
    ]


def mlp_output_sites(model: PreTrainedModel) -> list[ActivationSite]:
    """Returns the outputs of all MLPs, in order. Experts of a layer count as one MLP, whose output is weighted.

    Raises:
        ValueError: the model has no MLP with known names.
    """
    layers, width = _layers(model), _width(model)
    blocks = {_block(mlp, f"{layers}{mlp.layer}."): mlp.layer for mlp in find_mlps(model)}
    return [ActivationSite(path, "output", (width,), layer, f"{layers}{layer}") for path, layer in blocks.items()]


def module_input(model: PreTrainedModel, path: str, width: int) -> ActivationSite:
    """Returns the input of a module, of this width. Inside the layers it belongs to one of them."""
    layers = _layers(model)
    number = path.removeprefix(layers).partition(".")[0] if path.startswith(layers) else ""
    layer = int(number) if number else None
    return ActivationSite(path, "input", (width,), layer, f"{layers}{number}" if number else "")


def _block(mlp: Mlp, layer: str) -> str:
    """Returns the path of the layer's child that holds the MLP, or of the last matrix if the layer itself holds it."""
    child = f"{mlp.path}.".removeprefix(layer).partition(".")[0]
    return f"{layer}{child}" if child else mlp.reader


def _layers(model: PreTrainedModel) -> str:
    layers = find_layers(model)
    if layers is None:
        raise ValueError(
            f"{type(model).__name__} has no numbered layers in a torch ModuleList; its activations can't be named."
        )
    return layers


def _width(model: PreTrainedModel) -> int:
    return model.get_input_embeddings().weight.shape[-1]  # pyright: ignore
