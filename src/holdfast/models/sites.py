"""The parameters of a model as data: layer, component and role by structure, so that a family needs no code of its own.

A parameter's role follows from the module that owns it: a linear map inside a layer is a `matrix`; the linear map of a
mixture-of-experts block with as many outputs as there are experts is its `router`; three-dimensional parameters inside
a layer are experts, stored fused, one matrix (or two, gate over up) an expert.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from holdfast.values import entries_in

Role = Literal["matrix", "router", "norm", "bias", "embedding", "head"]
LAYER = re.compile(r"\.(?:layers|h|blocks|block)\.(\d+)\.")
TWO_MATRICES_AN_EXPERT = "gate_up_proj"


@dataclass(frozen=True)
class Site:
    """A parameter that could be read or edited."""

    name: str
    shape: tuple[int, ...]
    layer: int | None
    """Index of the layer that it belongs to; None outside the layers."""
    component: str
    """The last word of the module path that names a matrix, e.g. 'v_proj'; experts are 'experts.down_proj'."""
    role: Role
    num_matrices: int
    """Matrices that lie one after another in the tensor: `weight.reshape(num_matrices, -1)` separates them."""

    @property
    def num_entries(self) -> int:
        """Entries of the parameter."""
        return entries_in(self.shape)


def list_sites(model: PreTrainedModel) -> list[Site]:
    """Every parameter of the model once, in the model's order; a tied one under its first name."""
    owners = {
        f"{path}.{name}".lstrip("."): owner
        for path, owner in model.named_modules()
        for name, _ in owner.named_parameters(recurse=False)
    }
    num_experts = _num_experts(model)
    head = model.get_output_embeddings()
    return [
        _site(name, tuple(weight.shape), owners[name], head, num_experts) for name, weight in model.named_parameters()
    ]


def scored_sites(model: PreTrainedModel) -> list[Site]:
    """The matrices inside the layers, which scores are given for; biases, norms, embeddings, head, routers are not."""
    sites = [site for site in list_sites(model) if site.role == "matrix"]
    if not sites:
        raise ValueError(
            f"{type(model).__name__} has no linear weights inside numbered layers; "
            "list its parameters with `holdfast sites MODEL`."
        )
    return sites


def find_scored(model: PreTrainedModel, names: Sequence[str]) -> dict[str, Site]:
    """The scored sites with these names; a name that is not one raises ValueError."""
    known = {site.name: site for site in scored_sites(model)}
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise ValueError(
            f"{unknown[0]!r} is not a scored parameter of {type(model).__name__}; "
            "list those that are with `holdfast sites MODEL`."
        )
    return {name: known[name] for name in names}


def sigma(weight: Float[Tensor, "..."], num_matrices: int) -> Float[Tensor, " matrix"]:
    """Sample standard deviation of each matrix of a tensor, float32."""
    matrices = weight.detach().reshape(num_matrices, -1)
    return torch.stack([matrix.float().std() for matrix in matrices])  # one at a time: one matrix in float32


def _site(name: str, shape: tuple[int, ...], owner: nn.Module, head: nn.Module | None, num_experts: int | None) -> Site:
    found = LAYER.search(f".{name}")
    layer = int(found.group(1)) if found else None
    role = _role(name, shape, owner, head, layer, num_experts)
    return Site(name, shape, layer, _component(name, shape), role, _num_matrices(name, shape))


def _role(
    name: str,
    shape: tuple[int, ...],
    owner: nn.Module,
    head: nn.Module | None,
    layer: int | None,
    num_experts: int | None,
) -> Role:
    if isinstance(owner, nn.Embedding):
        return "embedding"
    if owner is head:
        return "head"
    if name.endswith("bias"):
        return "bias"
    if len(shape) == 1 or layer is None:
        return "norm"
    is_router = num_experts is not None and len(shape) == 2 and shape[0] == num_experts
    if is_router and (not isinstance(owner, nn.Linear) or name.split(".")[-2] in ("gate", "router")):
        return "router"
    return "matrix" if isinstance(owner, nn.Linear | Conv1D) or len(shape) == 3 else "norm"


def _num_experts(model: PreTrainedModel) -> int | None:
    config = model.config.get_text_config()
    counts = (getattr(config, key, None) for key in ("num_experts", "num_local_experts", "n_routed_experts"))
    return next((count for count in counts if isinstance(count, int)), None)


def _component(name: str, shape: tuple[int, ...]) -> str:
    words = [word for word in name.split(".") if word not in ("weight", "bias")]
    return ".".join(words[-2:]) if len(shape) == 3 else words[-1]


def _num_matrices(name: str, shape: tuple[int, ...]) -> int:
    if len(shape) != 3:
        return 1
    return shape[0] * (2 if name.endswith(TWO_MATRICES_AN_EXPERT) else 1)
