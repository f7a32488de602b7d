"""Equality of values that hold tensors: `==` compares their content and ignores their provenance."""

from collections.abc import Mapping
from dataclasses import Field, fields
from typing import ClassVar

import torch

HISTORY = "made_by"
"""The field with a value's provenance, which `==` ignores."""


class SameContent:
    """Base class whose `==` compares every field of two dataclass values of one type, tensors bit for bit."""

    __dataclass_fields__: ClassVar[dict[str, Field[object]]]
    """Every subclass is a dataclass."""

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(
            _same(getattr(self, field.name), getattr(other, field.name))
            for field in fields(self)
            if field.name != HISTORY
        )

    def __hash__(self) -> int:
        return hash((type(self), getattr(self, "base", None)))


def _same(first: object, second: object) -> bool:
    if isinstance(first, torch.Tensor) and isinstance(second, torch.Tensor):
        return first.dtype == second.dtype and torch.equal(first, second)
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return first.keys() == second.keys() and all(_same(first[name], second[name]) for name in first)
    return first == second
