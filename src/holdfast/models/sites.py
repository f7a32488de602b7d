"""Lists the parameters of a model as data: layer, component, role and the matrices that each holds.

No family of models has code of its own. Layers and roles follow from structure (`roles.py`). Structure does not show
how several matrices lie in one tensor, so `layout.py` has a table of that.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from transformers import PreTrainedModel

from holdfast.arguments import checked_call
from holdfast.models.fingerprints import check_present
from holdfast.models.given import module_of
from holdfast.models.layout import ONE_MATRIX, Layout, layout_of
from holdfast.models.options import Role
from holdfast.models.roles import find_layers, find_roles, refuse_unrouted
from holdfast.values import entries_in

if TYPE_CHECKING:
    from holdfast.models.load import LoadedModel

Words = tuple[str, ...]


@dataclass(frozen=True)
class Site:
    """A parameter that can be read or edited."""

    name: str
    shape: tuple[int, ...]
    layer: int | None
    """Index of the layer that the parameter belongs to. None outside the layers."""
    component: str
    """The last words of its path inside a layer, such as 'v_proj', 'experts.down_proj', or 'mlp.c_proj' beside
    'attn.c_proj'. There are as few words as tell it and its siblings from the rest of the model, and at least two
    for experts."""
    role: Role
    layout: Layout = ONE_MATRIX
    """The positions of the matrices in the tensor."""

    @property
    def num_entries(self) -> int:
        """Number of entries of the parameter."""
        return entries_in(self.shape)

    @property
    def num_matrices(self) -> int:
        """Number of matrices in the tensor. Each has a sigma of its own."""
        return self.layout.num_matrices


@checked_call
def list_sites(model: "PreTrainedModel | LoadedModel") -> list[Site]:
    """Returns every parameter of the model once, in the model's order. A tied one comes under its first name."""
    model = module_of(model)
    layers = find_layers(model)
    roles = find_roles(model, layers)
    parameters = dict(model.named_parameters())
    layouts = {name: layout_of(model, name) if roles[name] == "matrix" else ONE_MATRIX for name in parameters}
    components = _components({name: layouts[name].num_experts > 0 for name in parameters}, layers)
    return [
        Site(name, tuple(weight.shape), _layer(name, layers), components[name], roles[name], layouts[name])
        for name, weight in parameters.items()
    ]


def scored_sites(model: PreTrainedModel) -> list[Site]:
    """Returns the parameters that are scored: the matrices inside the layers.

    Biases, norms, embeddings, head and routers are not scored.

    Raises:
        ValueError: the model has no such matrix, experts without a router, or a parameter whose values are not loaded.
    """
    sites = scorable_sites(model)
    check_present(dict(model.named_parameters()))
    return sites


def scorable_sites(model: PreTrainedModel) -> list[Site]:
    """Returns the sites of `scored_sites`, also for a model whose values are not loaded.

    Raises:
        ValueError: the model has no such matrix, or experts without a router.
    """
    sites = [site for site in list_sites(model) if site.role == "matrix"]
    if not sites:
        raise ValueError(
            f"{type(model).__name__} has no matrix inside numbered layers; scoring needs its layers in a torch "
            "ModuleList or Sequential, and in them modules that hold a weight of two dimensions."
        )
    refuse_unrouted(model, find_layers(model))
    return sites


def find_scored(model: PreTrainedModel, names: Sequence[str]) -> dict[str, Site]:
    """Returns the scored sites with these names.

    Raises:
        ValueError: a name is not that of a scored parameter.
    """
    known = {site.name: site for site in scored_sites(model)}
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise ValueError(
            f"{unknown[0]!r} is not a scored parameter of {type(model).__name__}; "
            "list those that are with `holdfast sites MODEL`."
        )
    return {name: known[name] for name in names}


def _layer(name: str, layers: str | None) -> int | None:
    inside = layers is not None and name.startswith(layers)
    return int(name.removeprefix(layers or "").partition(".")[0]) if inside else None


def _components(is_expert: Mapping[str, bool], layers: str | None) -> dict[str, str]:
    paths = {name: _words(name, layers) for name in is_expert}
    distinct, experts = set(paths.values()), {paths[name] for name in paths if is_expert[name]}
    lengths: dict[Words, int] = defaultdict(int)  # by parent path, so that siblings have equally long names
    for words in distinct:
        needed = max(_words_needed(words, distinct), 2 if words in experts else 1)
        lengths[words[:-1]] = max(lengths[words[:-1]], needed)
    return {name: ".".join(words[-lengths[words[:-1]] :]) for name, words in paths.items()}


def _words(name: str, layers: str | None) -> Words:
    """Returns a parameter's path inside its layer, or in the whole model outside the layers.

    Numbers and the parameter's own name are left out.
    """
    path = name.removeprefix(layers or "")
    words = tuple(word for word in path.split(".") if not word.isdigit())
    return words[:-1] if words[-1] in ("weight", "bias") and len(words) > 1 else words


def _words_needed(words: Words, all_words: Iterable[Words]) -> int:
    for length in range(1, len(words)):
        if sum(other[-length:] == words[-length:] for other in all_words) == 1:
            return length
    return len(words)
