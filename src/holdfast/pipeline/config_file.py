"""Config files: TOML read into options; what is wrong is named with its place, its value and what would be right."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from holdfast.config import Options
from holdfast.spelling import meant

Config = TypeVar("Config", bound=Options)
NAMED = 6
"""Settings that a sentence names."""


def load_config(path: Path, kind: type[Config]) -> Config:
    """The options that a TOML file sets.

    Raises:
        ValueError: the file is missing or not TOML, or a setting is unknown, missing or wrong.
    """
    if not path.is_file():
        raise ValueError(f"config {str(path)!r} {'is a folder' if path.is_dir() else 'does not exist'}; see examples/.")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))  # some editors put a byte-order mark first
    except ValueError as error:
        raise ValueError(f"config {str(path)!r} is not TOML: {error}.") from error
    return read_config(content, kind, path)


def read_config(content: object, kind: type[Config], path: Path) -> Config:
    """The options that a file at `path` was found to hold; ValueError when a setting is unknown, missing or wrong."""
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        # A name that is misspelt is also missing under its right name.
        found = sorted(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
        others = ", ".join(".".join(map(str, one["loc"])) for one in found[1:NAMED])
        more = f" (Also wrong: {others}{', and more' if len(found) > NAMED else ''}.)" if others else ""
        raise ValueError(f"config {str(path)!r}: {_sentence(found[0], kind)}.{more}") from error


def _sentence(error: Mapping[str, Any], kind: type[BaseModel]) -> str:
    """What is wrong with one setting, without a full stop."""
    place, reason = ".".join(str(part) for part in error["loc"]), str(error["msg"])
    if error["type"] == "extra_forbidden":
        known = _settings_beside(error["loc"], kind)
        return f"there is no setting {place}; {meant(str(error['loc'][-1]), known)}"
    if error["type"] == "missing":
        return f"{place} is missing; add it"
    if error["type"] == "value_error":
        return str(error["ctx"]["error"]).rstrip(".")
    return f"{place or 'all of it'} is {error['input']!r}; {reason[0].lower()}{reason[1:]}"


def _settings_beside(loc: tuple[int | str, ...], kind: type[BaseModel]) -> list[str]:
    """The settings that there are in the table of a setting."""
    for part in loc[:-1]:
        annotation = kind.model_fields[part].annotation if part in kind.model_fields else None
        inner = [one for one in (annotation, *get_args(annotation)) if isinstance(one, type)]
        kind = next((one for one in inner if issubclass(one, BaseModel)), kind)
    return list(kind.model_fields)
