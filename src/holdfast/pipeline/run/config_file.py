"""Reads TOML config files into options. Errors name the wrong setting, its value and what is allowed."""

import re
import tomllib
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from holdfast.config import Options
from holdfast.shares import share_advice
from holdfast.wrong_options import place_of, sentence_on

Config = TypeVar("Config", bound=Options)
BARE_PERCENTAGE = re.compile(r"[=,\[]\s*([\d.]+\s*%)")
"""A percentage without quotes, which TOML can't read."""
NAMED = 6
"""Most settings that a sentence names."""


def load_config(path: Path, kind: type[Config]) -> Config:
    """Reads the options that a TOML file sets.

    Raises:
        ValueError: the file is missing or not TOML, or a setting is unknown, missing or wrong.
    """
    if not path.is_file():
        wrong = "is a folder" if path.is_dir() else "does not exist"
        raise ValueError(
            f"config {str(path)!r} {wrong}; `holdfast init {path}` writes a config for `holdfast run`, and examples/ "
            "has others."
        )
    text = ""
    try:
        text = path.read_text(encoding="utf-8-sig")  # some editors put a byte-order mark first
        content = tomllib.loads(text)
    except ValueError as error:
        percentage = BARE_PERCENTAGE.search(text)
        advice = f"; {share_advice(percentage[1])}" if percentage else ""
        raise ValueError(f"config {str(path)!r} is not TOML: {error}{advice}.") from error
    return read_config(content, kind, path)


def read_config(content: object, kind: type[Config], path: Path) -> Config:
    """Validates the content of the file at `path`. Raises ValueError for unknown, missing or wrong settings."""
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        # A misspelt name is also missing under its right name.
        errors = sorted(error.errors(), key=lambda entry: entry["type"] != "extra_forbidden")
        others = ", ".join(place_of(entry["loc"]) for entry in errors[1:NAMED])
        also_wrong = f" (Also wrong: {others}{', and more' if len(errors) > NAMED else ''}.)" if others else ""
        raise ValueError(f"config {str(path)!r}: {sentence_on(errors[0], kind)}.{also_wrong}") from error
