"""What is wrong with options, in one sentence: its place, its value and what would be right."""

from collections.abc import Callable, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from holdfast.spelling import meant


class OptionsError(ValueError):
    """Options that can't be made of what was given; one sentence, in place of pydantic's report."""

    def __init__(self, error: ValidationError, kind: type[BaseModel]) -> None:
        super().__init__(f"{kind.__name__}: {'; '.join(sentence_on(one, kind) for one in error.errors())}.")
        self.errors: Callable[..., list[Any]] = error.errors
        """What pydantic found, for whoever has better names for the options, as the command line has."""


def sentence_on(error: Mapping[str, Any], kind: type[BaseModel]) -> str:
    """What is wrong with one setting, without a full stop."""
    place, reason = ".".join(str(part) for part in error["loc"]), str(error["msg"])
    if error["type"] == "extra_forbidden":
        known = _settings_beside(error["loc"], kind)
        return f"there is no setting {place}; {meant(str(error['loc'][-1]), known)}"
    if error["type"] == "missing":
        return f"{place} is missing; add it"
    if error["type"] == "value_error":
        return str(error["ctx"]["error"]).rstrip(".")
    if error["type"] == "tuple_type":
        return f"{place} is {error['input']!r}; give a list of them, such as {_listed(error['input'])}"
    return f"{place or 'all of it'} is {error['input']!r}; {reason[0].lower()}{reason[1:]}"


def _listed(given: object) -> list[object]:
    """What was given in place of a list, as one: the parts of a text that commas divide."""
    return [part.strip() for part in given.split(",")] if isinstance(given, str) else [given]


def _settings_beside(loc: tuple[int | str, ...], kind: type[BaseModel]) -> list[str]:
    """The settings that there are in the table of a setting."""
    for part in loc[:-1]:
        annotation = kind.model_fields[part].annotation if part in kind.model_fields else None
        inner = [one for one in (annotation, *get_args(annotation)) if isinstance(one, type)]
        kind = next((one for one in inner if issubclass(one, BaseModel)), kind)
    return list(kind.model_fields)
