"""Config files: TOML read into options; what is wrong is named with its place, its value and what would be right."""

import tomllib
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from holdfast.config import Options
from holdfast.wrong_options import sentence_on

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
        raise ValueError(f"config {str(path)!r}: {sentence_on(found[0], kind)}.{more}") from error
