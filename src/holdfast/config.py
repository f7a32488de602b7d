"""The strict base class of all options."""

import re
from collections.abc import Collection
from types import NoneType
from typing import TYPE_CHECKING, Annotated, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from holdfast.readable_options import ReadableKind, alternatives, make_readable
from holdfast.wrong_options import OptionsError

MAX_SEED = 2**32 - 1
"""The largest seed that every generator accepts. NumPy has the smallest range."""
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
CALL = {"by": "a call in Python"}
"""Context of a validation where Python calls the class. The command line and config files give numbers as text."""


class Options(BaseModel, metaclass=ReadableKind):
    """Options of one method: closed, frozen, and documented by the docstring under each field."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)

    if not TYPE_CHECKING:  # type checkers read the fields from pydantic's own signature

        def __init__(self, *unnamed: object, **given: object) -> None:
            """Raises ValueError with one sentence when an option is unknown, missing, wrong or without its name."""
            if unnamed:
                kind, first = type(self).__name__, next(iter(type(self).model_fields), "NAME")
                raise ValueError(
                    f"{kind} takes its options by name, got {unnamed[0]!r} without one; write {kind}({first}=...)."
                )
            try:
                self.__pydantic_validator__.validate_python(given, self_instance=self, context=CALL)
            except ValidationError as error:
                raise OptionsError(error, type(self)) from None

        # Makes pydantic build nested options without this __init__, which would lose the path to a wrong field.
        __init__.__pydantic_base_init__ = True

    @classmethod
    def __pydantic_init_subclass__(cls, **given: object) -> None:
        super().__pydantic_init_subclass__(**given)
        make_readable(cls)

    @field_validator("*", mode="before")
    @classmethod
    def _split_lists(cls, value: object, info: ValidationInfo) -> object:
        kinds = _listed_in(cls.model_fields[str(info.field_name)].annotation)
        if kinds and str not in kinds and isinstance(value, list | tuple):
            return tuple(part for item in value for part in (split(item, kinds) if isinstance(item, str) else [item]))
        return value

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_truth_for_a_number(cls, value: object, info: ValidationInfo) -> object:
        types = _types_in(cls.model_fields[str(info.field_name)].annotation)
        given = value if isinstance(value, list | tuple) else (value,)
        if {int, float} & types and bool not in types and any(isinstance(item, bool) for item in given):
            # Pydantic, like Python, would accept true as 1.
            raise PydanticCustomError("truth_for_a_number", "Input should be a number, not true or false")
        return value

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_text_in_a_call(cls, value: object, info: ValidationInfo) -> object:
        kinds = alternatives(cls.model_fields[str(info.field_name)].annotation)
        if info.context is CALL and isinstance(value, str) and kinds <= {int, float, bool, NoneType}:
            wanted = "True or False" if bool in kinds else "a number" if float in kinds else "a whole number"
            raise PydanticCustomError("text_in_a_call", "Input should be {wanted}, not text", {"wanted": wanted})
        return value


def split(text: str, kinds: Collection[object] = ()) -> list[str]:
    """Splits the text `a,b` at commas. Where the items are integers, `10-12` becomes every number of that range."""
    parts = [part.strip() for part in text.split(",")]
    return [item for part in parts for item in (_numbers(part) if int in kinds else [part])]


def split_names(names: object) -> object:
    """Splits every name of a list at commas."""
    if not isinstance(names, list | tuple):
        return names
    return tuple(part for name in names for part in (split(name) if isinstance(name, str) else [name]))


Names = Annotated[tuple[str, ...], BeforeValidator(split_names)]
"""Names that contain no comma, so that `a,b` is two names. File names and sentences may contain one."""


def _numbers(part: str) -> list[str]:
    """Lists every number of a range, both ends included. Other text stays as it is, for the type's own error."""
    ends = re.fullmatch(r"(\d+)-(\d+)", part)
    return [part] if ends is None else [str(number) for number in range(int(ends[1]), int(ends[2]) + 1)] or [part]


def _listed_in(annotation: object) -> set[object]:
    """Types of the items, where a field takes a list of any length. Empty for other fields."""
    for part in (annotation, *get_args(annotation)):
        items = get_args(part)
        if get_origin(part) is tuple and items[1:] == (...,):
            return _types_in(items[0])
    return set()


def _types_in(annotation: object) -> set[object]:
    """Collects an annotation and all its parts, such as int and None for `int | None`."""
    return {annotation}.union(*map(_types_in, get_args(annotation)))
