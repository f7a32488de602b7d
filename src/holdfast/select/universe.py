"""Which entries a selection is made among: all that are scored, or the part of them in some layers and components."""

from dataclasses import replace

from pydantic import Field

from holdfast.config import Options
from holdfast.models.sites import LAYER, layer_and_component
from holdfast.values import Mask, Scores


class PartOptions(Options):
    """Where the selected entries may lie."""

    layers: tuple[int, ...] = ()
    """Layers that the selected entries may lie in, counted from 0; all of them when left out. --layers 3 --layers 4."""
    components: tuple[str, ...] = ()
    """Components that the selected entries may lie in, or blocks of them: v_proj, mlp, experts.down_proj; all of them
    when left out. --components v_proj --components mlp."""


class FractionOptions(PartOptions):
    """How many entries are selected, and where they may lie."""

    fraction: float = Field(default=0.01, gt=0, lt=1)
    """Share of the scored entries to select, in (0, 1): of all of them, also where layers or components say in which
    part of the model they have to lie."""


def part_of(scores: Scores, options: PartOptions) -> Scores:
    """The scores of those parameters that lie in one of the layers and in one of the components.

    Raises:
        ValueError: a layer or a component does not occur, or no parameter lies in both.
    """
    if not options.layers and not options.components:
        return scores
    places = {name: _place(name, shape) for name, shape in scores.shapes.items()}
    _refuse_unknown("layer", options.layers, {layer for layer, _ in places.values() if layer is not None})
    _refuse_unknown("component", options.components, set().union(*(blocks for _, blocks in places.values())))
    kept = {
        name: scores.entries[name]
        for name, (layer, blocks) in places.items()
        if (not options.layers or layer in options.layers)
        and (not options.components or blocks & set(options.components))
    }
    if not kept:
        raise ValueError(
            f"no scored parameter lies both in layers {_listed(options.layers)} and in components "
            f"{_listed(options.components)}; leave one of the two out."
        )
    return replace(scores, entries=kept)


def refuse_other_universe(what: str, other: Scores | Mask, scores: Scores) -> None:
    """Raises ValueError when something is not about the same entries of the same model as the scores."""
    if dict(other.shapes) != scores.shapes or other.base != scores.base:
        raise ValueError(
            f"{what} and scores are of different models or sites; make both from one model, with the same sites scored."
        )


def _place(name: str, shape: tuple[int, ...]) -> tuple[int | None, set[str]]:
    """The layer of a parameter, its component, and the blocks inside the layer that hold the component."""
    layer, component = layer_and_component(name, shape)
    inside = LAYER.split(f".{name}")[-1].split(".")
    return layer, {component} | {word for word in inside if word not in ("weight", "bias") and not word.isdigit()}


def _refuse_unknown(kind: str, wanted: tuple[int, ...] | tuple[str, ...], known: set[int] | set[str]) -> None:
    for one in wanted:
        if one not in known:
            raise ValueError(f"no scored parameter lies in {kind} {one!r}; there are {_listed(known)}.")


def _listed(known: set[int] | set[str] | tuple[int, ...] | tuple[str, ...]) -> str:
    return ", ".join(str(one) for one in sorted(known))
