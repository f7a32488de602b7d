"""The strict base of every options class."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

MAX_SEED = 2**32 - 1
"""The largest that every generator takes; NumPy's is the narrowest."""
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]


class Options(BaseModel):
    """Options of one method: closed, frozen, and documented by the docstring under each field."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)
