"""Finds the role of each parameter from the module that owns it and the modules beside it.

A name plays no part, except that of a `bias`.

    embedding   owned by an nn.Embedding: of tokens or of positions
    head        owned by the model's output embeddings, if they are not tied to the embedding
    bias        named ...bias, as torch does
    norm        owned by a module whose class is a ...Norm
    router      in the block that holds experts: the only matrix of a module beside them, with one output per expert, or
                one output in all (the gate of a shared expert)
    matrix      inside a layer: two dimensions, or three if matrices are stacked, and no matrix below its owner
    other       the rest: attention sinks, scales, convolutions, state matrices, position tables, whole vision towers

The layers are the list in the language model with as many modules as its config has hidden layers. If there is no such
list, they are its largest list.
"""

from collections.abc import Iterator

from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from transformers import PreTrainedModel

from holdfast.models.layout import count_experts
from holdfast.models.options import Role


def find_layers(model: PreTrainedModel) -> str | None:
    """Returns the path of the list of layers, with a dot at its end ('model.layers.'). None if there is none."""
    # In some families get_decoder returns the head, which holds no list.
    lists = _lists(model.get_decoder()) or _lists(model)
    depth = getattr(model.config.get_text_config(), "num_hidden_layers", None)
    layers = max(lists, key=lambda modules: (len(modules) == depth, _num_entries(modules)), default=None)
    return next((f"{path}." for path, module in model.named_modules() if module is layers), None)


def find_roles(model: PreTrainedModel, layers: str | None) -> dict[str, Role]:
    """Returns the role of every parameter by name."""
    routers = {id(weight) for _, _, routers in _experts(model, layers) for weight in routers}
    head = model.get_output_embeddings()
    return {name: _role(model, name, weight, layers, routers, head) for name, weight in model.named_parameters()}


def refuse_unrouted(model: PreTrainedModel, layers: str | None) -> None:
    """Raises ValueError if experts have no known router, since it would be scored like any other matrix."""
    for path, module, routers in _experts(model, layers):
        if not routers and isinstance(getattr(module, "num_experts", None), int):
            raise ValueError(
                f"no router was found for the experts of {path!r} in {type(model).__name__}; scoring needs it beside "
                "them, as a module whose only matrix has one output per expert."
            )


def _role(
    model: PreTrainedModel,
    name: str,
    weight: Tensor,
    layers: str | None,
    routers: set[int],
    head: nn.Module | None,
) -> Role:
    owner = model.get_submodule(name.rpartition(".")[0])
    if isinstance(owner, nn.Embedding):
        return "embedding"
    if owner is head:
        return "head"
    if name.endswith("bias"):
        return "bias"
    if "norm" in type(owner).__name__.casefold():
        return "norm"
    if id(weight) in routers:
        return "router"
    inside = layers is not None and name.startswith(layers)
    return "matrix" if inside and _is_matrix(weight, owner) else "other"


def _is_matrix(weight: Tensor, owner: nn.Module) -> bool:
    # A state matrix such as Mamba's A has two dimensions too, but belongs to the block and not to a linear map in it.
    innermost = not any(_matrices(child) for child in owner.children())
    return weight.dim() in (2, 3) and innermost and not isinstance(owner, _ConvNd)


def _experts(model: PreTrainedModel, layers: str | None) -> Iterator[tuple[str, nn.Module, list[Tensor]]]:
    """Yields the modules that hold experts, each with its path and the routers of its block."""
    for place, layer in model.get_submodule(layers.rstrip(".")).named_children() if layers else ():
        modules = dict(layer.named_modules())
        for path, module in modules.items():
            if num_experts := _num_experts(module):
                yield f"{layers}{place}.{path}", module, _routers_above(modules, path, num_experts)


def _routers_above(modules: dict[str, nn.Module], path: str, num_experts: int) -> list[Tensor]:
    """Returns the routers in the innermost module around the experts that has any. The search ends at the layer."""
    while path:
        path = path.rpartition(".")[0]
        beside = [_matrices(child) for child in modules[path].children()]
        alone = [matrices[0] for matrices in beside if len(matrices) == 1 and matrices[0].dim() == 2]
        in_all = sum(_num_experts(child) for child in modules[path].children())  # some routers weigh shared experts too
        if any(len(matrix) in (num_experts, in_all) for matrix in alone):
            return [matrix for matrix in alone if len(matrix) in (num_experts, in_all, 1)]
    return []


def _num_experts(module: nn.Module) -> int:
    """Counts the experts that the module itself holds: stacked in a parameter, or one module each.

    0 if it holds none.
    """
    if isinstance(module, nn.ModuleList):
        return len(module)
    stacked = () if isinstance(module, _ConvNd) else module.parameters(recurse=False)
    return max((count_experts(module, weight) for weight in stacked), default=0)


def _matrices(module: nn.Module) -> list[Tensor]:
    return [weight for name, weight in module.named_parameters() if weight.dim() > 1 and not name.endswith("bias")]


def _lists(module: nn.Module) -> list[nn.ModuleList | nn.Sequential]:
    return [inner for inner in module.modules() if isinstance(inner, nn.ModuleList | nn.Sequential)]


def _num_entries(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())
