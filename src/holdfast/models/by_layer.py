"""Counts chosen weights or neurons by layer and component: those in a mask, in a patch, or with the largest scores.

    share(l, c)            = chosen weights of component c in layer l / all chosen weights
    density(l, c)          = chosen weights of component c in layer l / its weights
    relative density(l, c) = density(l, c) / density of the whole     (a random choice has 1 everywhere)

A parameter's name alone gives its layer and component, so no model is needed. Experts of a layer count as one
component. This file needs no torch.
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
    """The weights of one component in one layer, or the sum of several such parts."""

    layer: int | None
    """None for weights outside the layers."""
    component: str
    entries: int
    chosen: int
    total: float = 0.0
    """Sum of the scores of all entries, or of the distances that the chosen ones moved."""


@dataclass(frozen=True)
class ByLayer:
    """Parts sorted by layer. Parts outside the layers come last."""

    parts: tuple[Part, ...]
    chosen: str = "selected"
    """Word for the chosen weights in reports."""
    mean: Mean | None = None
    """Quantity that the totals sum: scores of all entries, or changes of the chosen ones. None without totals."""
    units: str = "weights"
    """Word for what is counted in reports: weights or neurons."""

    @cached_property
    def whole(self) -> Part:
        """The sum of all parts."""
        return joined(self.parts)

    @property
    def inside(self) -> list[Part]:
        """The parts that lie in layers."""
        return [part for part in self.parts if part.layer is not None]

    def share(self, part: Part) -> float:
        """Returns the part's share of all chosen weights, in [0, 1]. 0 if no weight is chosen."""
        return part.chosen / self.whole.chosen if self.whole.chosen else 0.0

    def relative_density(self, part: Part) -> float | None:
        """Returns the part's density divided by that of the whole.

        None for an empty part, or if no weight is chosen.
        """
        return density(part) / density(self.whole) if self.whole.chosen and part.entries else None

    def mean_of(self, part: Part) -> float | None:
        """Returns the mean score of the part's entries, or the mean change of its chosen ones.

        None if there are none.
        """
        count = part.entries if self.mean == "score" else part.chosen
        return part.total / count if self.mean and count else None

    def records(self) -> list[dict[str, object]]:
        """Returns one JSON object per part."""
        return [self._record(part) for part in self.parts]

    def _record(self, part: Part) -> dict[str, object]:
        record: dict[str, object] = {
            "layer": part.layer,
            "component": part.component,
            "entries": part.entries,
            "selected": part.chosen,
            "share": self.share(part),
            "density": density(part),
            "relative_density": self.relative_density(part),
        }
        if self.mean:
            record[f"mean_{self.mean}"] = self.mean_of(part)
        if self.mean == "score":
            record["share_of_score"] = part.total / self.whole.total if self.whole.total else None
        return record


def density(part: Part) -> float:
    """Returns the share of the part's weights that is chosen, in [0, 1]."""
    return part.chosen / part.entries if part.entries else 0.0


def joined(parts: Iterable[Part]) -> Part:
    """Adds several parts up to one."""
    listed = list(parts)
    return Part(None, "", *(sum(getattr(part, name) for part in listed) for name in ("entries", "chosen", "total")))


def count_by_layer(
    shapes: Mapping[str, Sequence[int]],
    chosen: Mapping[str, int],
    totals: Mapping[str, float] | None = None,
    *,
    called: str = "selected",
    mean: Mean | None = None,
    units: str = "weights",
) -> ByLayer:
    """Adds up the counts and totals of all parameters, by layer and component.

    Args:
        shapes: shapes of all parameters that the density refers to. Parameters without entries are left out.
        chosen: number of chosen entries by parameter. A parameter that is not named has none.
        totals: sums of scores or changes by parameter.
        called: word for the chosen weights in reports.
        mean: quantity that the totals sum.
        units: word for what is counted in reports.
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
    return ByLayer(tuple(parts), called, mean, units)


def grouped(parts: Iterable[Part], key: Callable[[Part], Key]) -> dict[Key, list[Part]]:
    """Groups the parts by the key that a function gives each, in order of first appearance."""
    members: dict[Key, list[Part]] = {}
    for part in parts:
        members.setdefault(key(part), []).append(part)
    return members
