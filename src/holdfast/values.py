"""Frozen values that stages pass to each other: Scores -> Mask -> Patch, and Direction. They hold no model and open
no file.

Evaluations are in `outcomes`. A mask is a set of entries, so it has the algebra of sets: `a & b`, `a | b`, `a - b`,
`~a`. Flat indices count a parameter's entries in row-major order.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Literal, TypeVar

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from holdfast.arguments import MisfitError, checked_call
from holdfast.counts import counted
from holdfast.granularity import UNITS, Granularity
from holdfast.made_by import Meta as Meta
from holdfast.made_by import base_of, control_words, named_apart
from holdfast.same_content import SameContent
from holdfast.spelling import meant

EMPTY = torch.empty(0, dtype=torch.int64)
ValueOf = TypeVar("ValueOf", Tensor, tuple[int, ...])


def entries_in(shape: Iterable[int]) -> int:
    """Number of entries of a tensor of this shape."""
    return reduce(lambda total, length: total * length, shape, 1)


def sorted_by_name(mapping: Mapping[str, ValueOf]) -> dict[str, ValueOf]:
    """Sorts a mapping by name, the order that breaks ties everywhere."""
    return {name: mapping[name] for name in sorted(mapping)}


def _require_fields(value: "Scores | Mask | Patch", tensors: Sequence[str]) -> None:
    """Raises ValueError when a field is of another type, for example because two arguments are swapped."""
    kind = type(value).__name__
    maps: list[tuple[str, object, type, str]] = [(name, getattr(value, name), Tensor, "tensors") for name in tensors]
    if not isinstance(value, Scores):
        maps.append(("shapes", value.shapes, tuple, "shapes, each a tuple of numbers"))
    for name, given, held, what in maps:
        if not isinstance(given, Mapping):
            raise MisfitError(f"{name} of a {kind} must map names of parameters to {what}, got {type(given).__name__}.")
        for parameter, part in given.items():
            if not isinstance(part, held):
                remedy = "; convert it with torch.as_tensor" * (held is Tensor)
                raise MisfitError(
                    f"{name} of a {kind} must map names of parameters to {what}, got {_kind_of(part)} for "
                    f"{parameter!r}{remedy}."
                )
    texts = ("unit", "base") if isinstance(value, Scores) else ("base",)
    for name in texts:
        if not isinstance(getattr(value, name), str):
            raise MisfitError(f"{name} of a {kind} must be text, got {type(getattr(value, name)).__name__}.")
    number = getattr(value, "num_parameters", 0)
    if not isinstance(number, int):
        raise MisfitError(f"num_parameters of a {kind} must be a whole number, got {type(number).__name__}.")


def _kind_of(given: object) -> str:
    """Names the type of a value, with its package where that tells more."""
    package = type(given).__module__.partition(".")[0]
    return type(given).__name__ if package == "builtins" else f"{package}.{type(given).__name__}"


def _refuse_too_few_parameters(kind: str, num_parameters: int, num_entries: int) -> None:
    """Raises ValueError where a model has fewer entries than those of its scored parameters."""
    if num_parameters < num_entries:
        raise ValueError(
            f"num_parameters of a {kind} is {num_parameters:,}, and its parameters alone have {num_entries:,} entries; "
            "give the number of entries of the whole model."
        )


@checked_call
@dataclass(frozen=True, eq=False)
class Scores(SameContent):
    """One non-negative number per entry of every scored parameter. A larger number means more safety-relevant."""

    entries: Mapping[str, Float[Tensor, "..."]]
    """Scores by parameter name, float32, in the parameter's shape."""
    unit: str
    """Unit of a score, e.g. 'judge log-odds per sigma'."""
    base: str
    """Fingerprint of the model that was scored."""
    num_parameters: int
    """Number of entries of the whole model, scored or not."""
    made_by: Meta = field(default_factory=dict)
    """Provenance of the scores: method, options, prompts."""
    granularity: Granularity = "weight"
    """Units that are scored."""

    def __post_init__(self) -> None:
        _require_fields(self, ("entries",))
        object.__setattr__(self, "entries", sorted_by_name(self.entries))

    def __repr__(self) -> str:
        parameters = f"{self.num_entries:,} {UNITS[self.granularity]} in {counted(len(self.entries), 'parameter')}"
        control = control_words(self.made_by)
        return f"<{type(self).__name__}: {control}{parameters}, unit {self.unit!r}, base {self.base[:12]}>"

    @property
    def num_entries(self) -> int:
        """Number of scored entries."""
        return sum(tensor.numel() for tensor in self.entries.values())

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of every scored parameter."""
        return {name: tuple(tensor.shape) for name, tensor in self.entries.items()}


@dataclass(frozen=True, eq=False, repr=False)
class ScoresShard(Scores):
    """The part of the scores that one of several processes holds: a flat run of consecutive entries per parameter."""

    whole_shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Shape of every whole scored parameter."""
    starts: Mapping[str, int] = field(default_factory=dict)
    """Flat index, in the whole parameter, of the first entry of this part."""

    @property
    def num_entries(self) -> int:
        """Number of scored entries over all processes."""
        return sum(map(entries_in, self.shapes.values()))

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of every whole scored parameter."""
        return {name: self.whole_shapes[name] for name in self.entries}


@checked_call
@dataclass(frozen=True, eq=False)
class Mask(SameContent):
    """A selection of entries among the scored ones: per parameter, sorted flat indices without repeats."""

    indices: Mapping[str, Int[Tensor, " selected"]]
    """Sorted flat int64 indices by parameter name. A name that only `shapes` has no selected entry."""
    shapes: Mapping[str, tuple[int, ...]]
    """Shape of every parameter that could have been selected. `density` and `~` refer to all these entries."""
    base: str
    """Fingerprint of the model that the mask was made for."""
    num_parameters: int
    """Number of entries of the whole model, scored or not."""
    made_by: Meta = field(default_factory=dict)
    """Provenance of the selection."""
    granularity: Granularity = "weight"
    """Units that are selected. `holdfast.neuron_weights` turns a mask of neurons into one of weights."""

    def __post_init__(self) -> None:
        _require_fields(self, ("indices",))
        unknown = sorted(set(self.indices) - set(self.shapes))
        if unknown:
            raise ValueError(f"mask names {unknown[:3]} have no shape; every selected parameter needs one.")
        kept = {name: index for name, index in self.indices.items() if index.numel()}
        for name, index in kept.items():
            _check_indices("mask", name, index, entries_in(self.shapes[name]))
        _refuse_too_few_parameters("Mask", self.num_parameters, self.num_entries)
        object.__setattr__(self, "indices", sorted_by_name(kept))
        object.__setattr__(self, "shapes", sorted_by_name(self.shapes))

    def __repr__(self) -> str:
        selected = f"{len(self):,} of {self.num_entries:,} {UNITS[self.granularity]} (density {self.density:.3g})"
        control = control_words(self.made_by)
        return f"<Mask: {control}{selected} in {counted(len(self.indices), 'parameter')}, base {self.base[:12]}>"

    def __getitem__(self, name: str) -> Int[Tensor, " selected"]:
        """Returns the selected indices of a scored parameter, which may be none.

        Raises:
            ValueError: `shapes` has no parameter of that name.
        """
        if name not in self.shapes:
            raise ValueError(
                f"the mask knows no parameter {name!r}; {meant(str(name), self.shapes, 'mask.shapes names all')}."
            )
        return self.indices.get(name, EMPTY)

    def __contains__(self, name: str) -> bool:
        return name in self.indices

    def __len__(self) -> int:
        return sum(index.numel() for index in self.indices.values())

    @property
    def num_entries(self) -> int:
        """Number of entries that could have been selected."""
        return sum(entries_in(shape) for shape in self.shapes.values())

    @property
    def density(self) -> float:
        """Selected share of the scored entries, in [0, 1]."""
        return len(self) / self.num_entries if self.num_entries else 0.0

    @property
    def share_of_all(self) -> float:
        """Selected share of all entries of the model, in [0, 1]."""
        return len(self) / self.num_parameters if self.num_parameters else 0.0

    def __and__(self, other: "Mask") -> "Mask":
        return self._combine(other, "&")

    def __or__(self, other: "Mask") -> "Mask":
        return self._combine(other, "|")

    def __sub__(self, other: "Mask") -> "Mask":
        return self._combine(other, "-")

    def __invert__(self) -> "Mask":
        return self._with({name: ~_to_bits(self[name], shape) for name, shape in self.shapes.items()}, {"not": 1})

    def equals(self, other: "Mask") -> bool:
        """True where both masks select the same entries of the same parameters. `==` also compares the models."""
        _require_mask(other, "equals")
        return (
            self.granularity == other.granularity
            and dict(self.shapes) == dict(other.shapes)
            and set(self.indices) == set(other.indices)
            and all(torch.equal(self[name], other[name]) for name in self.indices)
        )

    def iou(self, other: "Mask") -> float:
        """Intersection over union in [0, 1], and 1 for two empty masks. Random masks of density p have p / (2 - p)."""
        self._refuse_other(other, "iou")
        # Compares indices, because one bit per entry of a large model would not fit into memory.
        both = sum(
            len(np.intersect1d(index.numpy(), other[name].numpy(), assume_unique=True))
            for name, index in self.indices.items()
        )
        union = len(self) + len(other) - both
        return both / union if union else 1.0

    def _refuse_other(self, other: "Mask", operation: str) -> None:
        _require_mask(other, operation)
        refuse_unlike((f"{OPERATIONS[operation]} two masks of one model: the first", "the second"), (self, other))

    def _combine(self, other: "Mask", operation: Literal["&", "|", "-"]) -> "Mask":
        self._refuse_other(other, operation)
        bits = {}
        for name in set(self.indices) | set(other.indices):
            left, right = (_to_bits(mask[name], self.shapes[name]) for mask in (self, other))
            bits[name] = {"&": left & right, "|": left | right, "-": left & ~right}[operation]
        return self._with(bits, {operation: [dict(self.made_by), dict(other.made_by)]})

    def _with(self, bits: Mapping[str, Tensor], made_by: Meta) -> "Mask":
        indices = {name: chosen.nonzero().flatten() for name, chosen in bits.items()}
        return Mask(indices, self.shapes, self.base, self.num_parameters, made_by, self.granularity)


OPERATIONS = {"&": "mask & mask needs", "|": "mask | mask needs", "-": "mask - mask needs"} | {
    name: f"mask.{name} needs" for name in ("iou", "equals")
}
"""Beginnings of errors, by operation."""


def _require_mask(other: object, operation: str) -> None:
    """Raises ValueError when the other operand is not a Mask. A path is not enough, since nothing here reads files."""
    if not isinstance(other, Mask):
        remedy = "select_top(scores, 0.01)" if isinstance(other, Scores) else "what holdfast.load_mask(PATH) returns"
        raise ValueError(f"{OPERATIONS[operation]} a second Mask, got {type(other).__name__}; give {remedy}.")


def refuse_unlike(names: tuple[str, str], values: "tuple[Scores | Mask, Scores | Mask]") -> None:
    """Raises ValueError when two values are not of the same entries of one model. It names both models or shapes."""
    first, second = values
    if first.granularity != second.granularity:
        raise ValueError(
            f"{names[0]} and {names[1]} are of different units: {UNITS[first.granularity]} and "
            f"{UNITS[second.granularity]}; give files of one unit."
        )
    if first.base != second.base:
        made_for = named_apart(*map(base_of, values))
        raise ValueError(
            f"{names[0]} and {names[1]} are of different models or sites: of {made_for[0]} and of {made_for[1]}; "
            "give files that were made from one model."
        )
    shapes, others = dict(first.shapes), dict(second.shapes)
    if shapes != others:
        name = min(name for name in {*shapes, *others} if shapes.get(name) != others.get(name))
        raise ValueError(
            f"{names[0]} and {names[1]} are of different models or sites: {name} is {shapes.get(name, 'absent')} in "
            f"one and {others.get(name, 'absent')} in the other; give files with the same sites scored."
        )


def _to_bits(index: Tensor, shape: tuple[int, ...]) -> Tensor:
    bits = torch.zeros(entries_in(shape), dtype=torch.bool)
    bits[index] = True
    return bits


def _check_indices(kind: str, name: str, index: Tensor, num_entries: int) -> None:
    if index.dtype != torch.int64 or index.dim() != 1:
        raise ValueError(
            f"{kind} indices of {name} must be one-dimensional int64, got {index.dtype} {tuple(index.shape)}."
        )
    if int(index[0]) < 0 or int(index[-1]) >= num_entries or bool((index[1:] <= index[:-1]).any()):
        raise ValueError(f"{kind} indices of {name} must be increasing and in [0, {num_entries}).")


@checked_call
@dataclass(frozen=True, eq=False)
class Direction(SameContent):
    """A direction in the residual stream: along it, prompts with a concept differ from prompts without it."""

    vector: Float[Tensor, " d_model"]
    """Mean state of the positive prompts minus that of the negative ones, float32."""
    layer: int
    """Index of the layer whose output it was found in."""
    norm: float
    """Median length (L2 norm) of the states there, which makes coefficients comparable between layers and models."""
    base: str
    """Fingerprint of the model that it was found in."""
    made_by: Meta = field(default_factory=dict)
    """Provenance: prompts, position, and what was measured."""

    def __post_init__(self) -> None:
        if not isinstance(self.vector, Tensor) or self.vector.dim() != 1:
            raise MisfitError(f"the vector of a Direction must be a tensor with one axis, got {self.vector!r:.60}.")
        kinds: dict[str, type | tuple[type, ...]] = {"layer": int, "norm": (int, float), "base": str}
        for name, kind in kinds.items():
            if not isinstance(given := getattr(self, name), kind):
                what = "text" if kind is str else "a number"
                raise MisfitError(f"{name} of a Direction must be {what}, got {type(given).__name__}.")
        length = float(self.vector.norm())
        if not 0 < length < float("inf") or not 0 < self.norm < float("inf"):
            raise ValueError(
                f"a direction needs a finite length above 0, got {length:g} for the vector and {self.norm:g} for the "
                "states; the positive and the negative prompts may be the same."
            )

    def __repr__(self) -> str:
        control = control_words(self.made_by)
        return f"<Direction: {control}layer {self.layer}, {len(self.vector):,} dimensions, base {self.base[:12]}>"

    @property
    def unit(self) -> Float[Tensor, " d_model"]:
        """The direction with length 1."""
        return self.vector / self.vector.norm()


@checked_call
@dataclass(frozen=True, eq=False)
class Patch(SameContent):
    """A sparse, reversible difference between two checkpoints: absolute new values at flat indices."""

    indices: Mapping[str, Int[Tensor, " entries"]]
    values: Mapping[str, Float[Tensor, " entries"]]
    """New values by parameter name, in the checkpoint's dtype, in the order of `indices`."""
    shapes: Mapping[str, tuple[int, ...]]
    base: str
    """Fingerprint of the model that the patch applies to."""
    old_values: Mapping[str, Float[Tensor, " entries"]] | None = None
    """The base's values at those entries, which revert the patch without the base. None when left out."""
    made_by: Meta = field(default_factory=dict)

    def __post_init__(self) -> None:
        _require_fields(self, ("indices", "values"))
        sizes = {name: index.numel() for name, index in self.indices.items()}
        for values in (self.values, self.old_values):
            if values is not None and {name: vector.numel() for name, vector in values.items()} != sizes:
                raise ValueError("a patch has one value for every index of every parameter, and this one does not.")
        for name, index in self.indices.items():
            if name not in self.shapes:
                raise ValueError(f"patch indices of {name} have no shape; every patched parameter needs one.")
            if index.numel():
                _check_indices("patch", name, index, entries_in(self.shapes[name]))

    def __repr__(self) -> str:
        old_values = "without" if self.old_values is None else "with"
        parameters = f"{len(self):,} weights in {counted(len(self.indices), 'parameter')}"
        return f"<Patch: {parameters}, {old_values} old values, base {self.base[:12]}>"

    def __len__(self) -> int:
        return sum(index.numel() for index in self.indices.values())
