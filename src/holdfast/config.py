"""The strict base of every options class."""

from pydantic import BaseModel, ConfigDict


class Options(BaseModel):
    """Options of one method: closed, frozen, and documented by the docstring under each field."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
