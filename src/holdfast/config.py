"""The strict base of every options class."""

from typing import Annotated, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

MAX_SEED = 2**32 - 1
"""The largest that every generator takes; NumPy's is the narrowest."""
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]


class Options(BaseModel):
    """Options of one method: closed, frozen, and documented by the docstring under each field."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_truth_for_a_number(cls, value: object, info: ValidationInfo) -> object:
        types = _types_in(cls.model_fields[str(info.field_name)].annotation)
        given = value if isinstance(value, list | tuple) else (value,)
        if {int, float} & types and bool not in types and any(isinstance(one, bool) for one in given):
            # To pydantic, as to Python, true is 1.
            raise PydanticCustomError("truth_for_a_number", "Input should be a number, not true or false")
        return value


def _types_in(annotation: object) -> set[object]:
    """What an annotation is made of: int and None of `int | None`."""
    return {annotation}.union(*map(_types_in, get_args(annotation)))
