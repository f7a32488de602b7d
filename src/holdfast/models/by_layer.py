"""Where chosen weights lie, by layer and component: those of a mask, of a patch, or with the largest scores.

    share(l, c)            = chosen weights of component c in layer l / all chosen weights
    density(l, c)          = chosen weights of component c in layer l / its weights
    relative density(l, c) = density(l, c) / density of the whole     (a random choice has 1 everywhere)

Layers and components follow from names alone, so no model is needed, and experts count as one component. This file
needs no torch.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Literal, TypeVar

from holdfast.models.paths import Place, by_layer, layer_and_path

Key = TypeVar("Key")
Mean = Literal["score", "change"]


@dataclass(frozen=True)
class Part:
    """The weights of one component of one layer, or of several."""

    layer: int | None
    """None outside the layers."""
    component: str
    entries: int
    chosen: int
    total: float = 0.0
    """Sum of the scores of all entries, or of how far the chosen ones moved."""


@dataclass(frozen=True)
class ByLayer:
    """Parts in the order of layers; what lies outside the layers comes last."""

    parts: tuple[Part, ...]
    chosen: str = "selected"
    """What the chosen weights are called."""
    mean: Mean | None = None
    """What the totals are sums of: scores of all entries, or changes of the chosen ones. None without totals."""

    @cached_property
    def whole(self) -> Part:
        """All parts as one."""
        return joined(self.parts)

    @property
    def inside(self) -> list[Part]:
        """The parts in layers."""
        return [part for part in self.parts if part.layer is not None]

    def share(self, part: Part) -> float:
        """Share of all chosen weights, in [0, 1]; 0 where none is chosen."""
        return part.chosen / self.whole.chosen if self.whole.chosen else 0.0

    def relative_density(self, part: Part) -> float | None:
        """How many times as dense as the whole; None where nothing is chosen at all."""
        return density(part) / density(self.whole) if self.whole.chosen and part.entries else None

    def mean_of(self, part: Part) -> float | None:
        """The mean score of its entries, or the mean change of the chosen ones; None where there are none."""
        count = part.entries if self.mean == "score" else part.chosen
        return part.total / count if self.mean and count else None

    def records(self) -> list[dict[str, object]]:
        """One JSON object a part."""
        return [self._record(part) for part in self.parts]

    def _record(self, part: Part) -> dict[str, object]:
        found: dict[str, object] = {
            "layer": part.layer,
            "component": part.component,
            "entries": part.entries,
            "selected": part.chosen,
            "share": self.share(part),
            "density": density(part),
            "relative_density": self.relative_density(part),
        }
        if self.mean:
            found[f"mean_{self.mean}"] = self.mean_of(part)
        if self.mean == "score":
            found["share_of_score"] = part.total / self.whole.total if self.whole.total else None
        return found


def density(part: Part) -> float:
    """Share of the part's weights that is chosen, in [0, 1]."""
    return part.chosen / part.entries if part.entries else 0.0


def joined(parts: Iterable[Part]) -> Part:
    """Several parts as one."""
    listed = list(parts)
    return Part(None, "", *(sum(getattr(part, name) for part in listed) for name in ("entries", "chosen", "total")))


def count_by_layer(
    shapes: Mapping[str, Sequence[int]],
    chosen: Mapping[str, int],
    totals: Mapping[str, float] | None = None,
    *,
    called: str = "selected",
    mean: Mean | None = None,
) -> ByLayer:
    """Adds up what is known of every parameter.

    Args:
        shapes: of all parameters that the density refers to; those without entries are left out.
        chosen: how many entries of a parameter are chosen; 0 where it is not named.
        totals: sums of scores or changes by parameter.
        called: what the chosen weights are called.
        mean: what the totals are sums of.
    """
    members: dict[Place, list[Part]] = defaultdict(list)
    for name, shape in shapes.items():
        if entries := prod(shape):
            place = layer_and_path(name)
            members[place].append(Part(*place, entries, chosen.get(name, 0), (totals or {}).get(name, 0.0)))
    parts = []
    for place in sorted(members, key=by_layer):
        whole = joined(members[place])
        parts.append(Part(*place, whole.entries, whole.chosen, whole.total))
    return ByLayer(tuple(parts), called, mean)


def grouped(parts: Iterable[Part], key: Callable[[Part], Key]) -> dict[Key, list[Part]]:
    """The parts by what a function says of each, in the order in which they come."""
    members: dict[Key, list[Part]] = {}
    for part in parts:
        members.setdefault(key(part), []).append(part)
    return members
