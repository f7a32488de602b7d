"""Errors about options in one sentence: the name of the option, its value and what is allowed."""

import re
from collections.abc import Callable, Sequence
from typing import get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from holdfast.shares import percentage_advice, share_advice
from holdfast.spelling import is_misspelt, meant

SHARES = ("fraction", "fractions", "share", "keep", "margin", "decay", "mass", "change", "discordance", "power", "rate")
"""Ends of the names of settings that are shares, and that somebody may give in percent."""
SELECTED = ("fraction", "fractions", "share", "keep")
"""Ends of those names for which 1 itself more likely means 1% than all."""
NOT_A_NUMBER = "which stands for 'not a number'; give a number"
"""What is wrong with the value nan."""
COMMA = re.compile(r"[-+]?\d+,\d+")
"""A number with a decimal comma."""
CHOICE = re.compile(r"'([^']*)'")
"""One of the choices in pydantic's list of them."""


BOUNDS = {
    "ge": "give {:,g} or more",
    "gt": "give a number above {:,g}",
    "le": "give {:,g} or less",
    "lt": "give a number below {:,g}",
}
"""Pydantic's names of the bounds of a number, with what an error says of each."""


class OptionsError(ValueError):
    """Invalid options, described in one sentence in place of pydantic's report."""

    def __init__(self, error: ValidationError, kind: type[BaseModel]) -> None:
        super().__init__(f"{kind.__name__}: {'; '.join(sentence_on(problem, kind) for problem in error.errors())}.")
        self.errors: Callable[..., list[ErrorDetails]] = error.errors
        """Pydantic's errors, for callers that have other names for the options, such as the command line."""


def sentence_on(error: ErrorDetails, kind: type[BaseModel]) -> str:
    """Describes one error of pydantic, without a full stop."""
    place = place_of(error["loc"])
    if error["type"] == "extra_forbidden":
        known = _settings_beside(error["loc"], kind)
        return f"there is no setting {place}; {meant(str(error['loc'][-1]), known)}"
    if error["type"] == "missing":
        return f"{place} is missing; add it"
    if error["type"] == "value_error":
        return str(error.get("ctx", {})["error"]).rstrip(".")
    if error["type"] == "tuple_type":
        return f"{place} is {error['input']!r}; give a list of them, such as {_listed(error['input'])}"
    return f"{place or 'all of it'} is {error['input']!r}; {reason_of(error)}"


def reason_of(error: ErrorDetails) -> str:
    """Returns what an error of pydantic says is allowed. For a misspelt choice it suggests the nearest one first."""
    reason, given = str(error["msg"]), error["input"]
    if is_nan(given):
        return NOT_A_NUMBER
    choices = CHOICE.findall(str(error.get("ctx", {}).get("expected", "")))
    if isinstance(given, str) and is_misspelt(given, choices):
        return meant(given, choices)
    asks_for_whole = "valid integer" in reason or "whole number" in reason
    if not asks_for_whole and (advice := share_advice(given)):
        return advice
    if error.get("type") in ("float_parsing", "int_parsing"):
        return number_reason(given, is_whole=asks_for_whole)
    name = next((part for part in reversed(error.get("loc", ())) if isinstance(part, str)), "")
    above = error.get("type") in ("less_than", "less_than_equal")
    ends = SELECTED if given in (1, "1") else SHARES
    is_share = name.endswith(ends) and not name.endswith("learning_rate")
    advice = percentage_advice(given) if above and is_share else None
    remedy = f"; write {advice}" if advice else ""
    for bound, words in BOUNDS.items():
        if bound in (limits := error.get("ctx", {})):
            return words.format(limits[bound]) + remedy
    return reason[0].lower() + reason[1:] + remedy


def number_reason(given: object, *, is_whole: bool) -> str:
    """Asks for a number in place of a text. For a decimal comma it writes the number with a point."""
    if is_whole:
        return "give a whole number, such as 8"
    if isinstance(given, str) and COMMA.fullmatch(given):
        return f"give a number with a decimal point: {given.replace(',', '.')}"
    return "give a number, such as 0.01"


def is_nan(given: object) -> bool:
    """Returns True for the value nan, which every limit refuses for the wrong reason."""
    return isinstance(given, float | str) and str(given).strip().lower().lstrip("+-") == "nan"


def place_of(location: Sequence[int | str]) -> str:
    """Names the place of a setting, such as 'item 2 of enhance_arms'. Items of a list are counted from 1."""
    place = ""
    for part in location:
        if isinstance(part, int):
            place = f"item {part + 1} of {place}" if place else f"item {part + 1}"
        else:
            place = f"{part} of {place}" if place.startswith("item ") else f"{place}.{part}".lstrip(".")
    return place


def _listed(given: object) -> list[object]:
    """Makes a list of a value that should have been one. A text is split at its commas."""
    return [part.strip() for part in given.split(",")] if isinstance(given, str) else [given]


def _settings_beside(loc: tuple[int | str, ...], kind: type[BaseModel]) -> list[str]:
    """Lists the names of the settings that a setting's table may hold."""
    for part in loc[:-1]:
        annotation = kind.model_fields[part].annotation if part in kind.model_fields else None
        classes = [part for part in (annotation, *get_args(annotation)) if isinstance(part, type)]
        kind = next((inner for inner in classes if issubclass(inner, BaseModel)), kind)
    return list(kind.model_fields)
