"""The strict base of every options class."""

import re
from collections.abc import Collection
from typing import TYPE_CHECKING, Annotated, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from holdfast.wrong_options import OptionsError

MAX_SEED = 2**32 - 1
"""The largest that every generator takes; NumPy's is the narrowest."""
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]


class Options(BaseModel):
    """Options of one method: closed, frozen, and documented by the docstring under each field."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)

    if not TYPE_CHECKING:  # a checker knows the fields by pydantic's own signature

        def __init__(self, *unnamed: object, **given: object) -> None:
            """Raises ValueError with one sentence when an option is unknown, missing, wrong or without its name."""
            if unnamed:
                kind, first = type(self).__name__, next(iter(type(self).model_fields), "NAME")
                raise ValueError(
                    f"{kind} takes its options by name, got {unnamed[0]!r} without one; write {kind}({first}=...)."
                )
            try:
                super().__init__(**given)
            except ValidationError as error:
                raise OptionsError(error, type(self)) from None

        # Or pydantic would make options within options, and those of a file, by this too, and lose their place.
        __init__.__pydantic_base_init__ = True

    @field_validator("*", mode="before")
    @classmethod
    def _split_lists(cls, value: object, info: ValidationInfo) -> object:
        kinds = _listed_in(cls.model_fields[str(info.field_name)].annotation)
        if kinds and str not in kinds and isinstance(value, list | tuple):
            return tuple(part for one in value for part in (split(one, kinds) if isinstance(one, str) else [one]))
        return value

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_truth_for_a_number(cls, value: object, info: ValidationInfo) -> object:
        types = _types_in(cls.model_fields[str(info.field_name)].annotation)
        given = value if isinstance(value, list | tuple) else (value,)
        if {int, float} & types and bool not in types and any(isinstance(one, bool) for one in given):
            # To pydantic, as to Python, true is 1.
            raise PydanticCustomError("truth_for_a_number", "Input should be a number, not true or false")
        return value


def split(text: str, kinds: Collection[object] = ()) -> list[str]:
    """The parts of a list in one text, `a,b`; with int among the kinds a range, `10-12`, is every number of it."""
    parts = [part.strip() for part in text.split(",")]
    return [one for part in parts for one in (_numbers(part) if int in kinds else [part])]


def split_names(names: object) -> object:
    """A list of names, each of which may be several that are joined by commas."""
    if not isinstance(names, list | tuple):
        return names
    return tuple(part for name in names for part in (split(name) if isinstance(name, str) else [name]))


Names = Annotated[tuple[str, ...], BeforeValidator(split_names)]
"""Names in which no comma can be: `a,b` is two of them. File names and sentences may have one."""


def _numbers(part: str) -> list[str]:
    """Every number of a range, both ends included; what is no range is left for a sentence of the type's own."""
    ends = re.fullmatch(r"(\d+)-(\d+)", part)
    return [part] if ends is None else [str(number) for number in range(int(ends[1]), int(ends[2]) + 1)] or [part]


def _listed_in(annotation: object) -> set[object]:
    """What the items of a list are, where a field takes one of any length; nothing otherwise."""
    for one in (annotation, *get_args(annotation)):
        items = get_args(one)
        if get_origin(one) is tuple and items[1:] == (...,):
            return _types_in(items[0])
    return set()


def _types_in(annotation: object) -> set[object]:
    """What an annotation is made of: int and None of `int | None`."""
    return {annotation}.union(*map(_types_in, get_args(annotation)))
