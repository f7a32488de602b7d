"""The entries that a selector chooses among: all scored entries, or those in some layers and components."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import groupby
from typing import TypeVar

from pydantic import Field

from holdfast.arguments import require
from holdfast.config import Options
from holdfast.models.paths import layer_and_path
from holdfast.shares import share_advice
from holdfast.values import Mask, Scores, refuse_unlike
from holdfast.wrong_options import OptionsError


class PartOptions(Options):
    """Limits the selection to some layers and components."""

    layers: tuple[int, ...] = ()
    """Layers to select from, counted from 0: `--layers 3 4`. All of them when left out."""
    components: tuple[str, ...] = ()
    """Components to select from, by words of their path: `--components v_proj mlp`. All of them when left out."""


class FractionOptions(PartOptions):
    """Sets how many entries are selected, and from which layers and components."""

    fraction: float = Field(default=0.01, gt=0, lt=1)
    """Share of the scored weights to select, in (0, 1). It counts the whole model, also with --layers or
    --components."""


Kind = TypeVar("Kind", bound=FractionOptions)


def as_options(given: Kind | float, kind: type[Kind]) -> Kind:
    """Returns options unchanged. A plain number is their fraction.

    Raises:
        ValueError: the argument is neither, or the number is no share.
    """
    if isinstance(given, int | float):
        try:
            return kind(fraction=given)
        except OptionsError as error:
            raise ValueError(str(error).removeprefix(f"{kind.__name__}: ")) from None  # the caller named no options
    if advice := share_advice(given):
        raise ValueError(f"fraction is {given!r}; {advice}.")
    require(given, kind, f"give a number such as 0.01, or {kind.__name__}(NAME=VALUE)")
    return given


def part_of(scores: Scores, options: PartOptions) -> Scores:
    """Keeps the scores of the parameters that lie in one of the layers and in one of the components.

    Raises:
        ValueError: the model has no such layer or component, or no parameter lies in both.
    """
    if not options.layers and not options.components:
        return scores
    places = {name: layer_and_path(name) for name in scores.entries}
    _refuse_unknown(options, [layer for layer, _ in places.values()], [path for _, path in places.values()])
    kept = {
        name: scores.entries[name]
        for name, (layer, path) in places.items()
        if (not options.layers or layer in options.layers)
        and (not options.components or any(_leads_through(path, component) for component in options.components))
    }
    if not kept:
        raise ValueError(
            f"no scored parameter lies both in layers {_listed(options.layers)} and in components "
            f"{_listed(options.components)}; leave one of the two out."
        )
    return replace(scores, entries=kept)


def refuse_other_universe(what: str, other: Scores | Mask, scores: Scores) -> None:
    """Raises ValueError when a mask or other scores belong to another model or other sites than the scores."""
    refuse_unlike((f"the {what}", "the scores"), (other, scores))


def _leads_through(path: str, component: str) -> bool:
    return f".{component}." in f".{path}."


def _refuse_unknown(options: PartOptions, layers: Sequence[int | None], paths: Sequence[str]) -> None:
    for layer in options.layers:
        if layer not in layers:
            occurring = {other for other in layers if other is not None}
            raise ValueError(f"no scored parameter lies in layer {layer}; there are {_ranges(occurring)}.")
    for component in options.components:
        if not any(_leads_through(path, component) for path in paths):
            occurring = {word for path in paths for word in path.split(".")}
            raise ValueError(f"no scored parameter lies in component {component!r}; there are {_listed(occurring)}.")


def _listed(names: Collection[int] | Collection[str]) -> str:
    return ", ".join(str(name) for name in sorted(names))


def _ranges(layers: Collection[int]) -> str:
    """Writes neighbours in a row of three or more by their ends: '0 to 29' or '0 to 5, 8, 9'."""
    rows = [
        [layer for _, layer in row]
        for _, row in groupby(enumerate(sorted(layers)), key=lambda placed: placed[1] - placed[0])
    ]
    return ", ".join(f"{row[0]} to {row[-1]}" if len(row) > 2 else _listed(row) for row in rows)
