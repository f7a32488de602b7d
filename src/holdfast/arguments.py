"""Checks of arguments, for scripts that call the library: each raises a ValueError of one sentence."""

import inspect
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from numbers import Real
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

from holdfast.config import MAX_SEED
from holdfast.spelling import joined, meant
from holdfast.usual_names import usual

Called = TypeVar("Called", bound=Callable[..., Any])
VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class MisfitError(ValueError):
    """The arguments of a call do not fit: an unknown, missing or surplus one, or one of another type."""


def checked_call(called: Called) -> Called:
    """Decorates a function, method or class: arguments that do not fit its signature raise ValueError, not TypeError.

    The error names the unknown, missing or surplus argument and those that the function takes. An argument that is
    declared as bool must be True or False, because Python takes every text for true, also "false".
    """
    if isinstance(called, type):
        called.__init__ = _checked(called.__init__, called.__name__, skipped=1)
        return cast(Called, called)
    parameters = list(inspect.signature(called).parameters)
    return _checked(called, called.__name__, skipped=int(parameters[:1] == ["self"]))


def _checked(function: Callable[..., Any], name: str, skipped: int = 0) -> Any:
    parameters = list(inspect.signature(function).parameters.values())
    switches = _switches(parameters)

    @wraps(function)
    def call(*given: object, **named: object) -> object:
        if wrong := _wrong_switch(switches, given, named):
            raise MisfitError(_misfit(name, parameters[skipped:], given[skipped:], named) or wrong)
        try:
            return function(*given, **named)
        except TypeError:
            if sentence := _misfit(name, parameters[skipped:], given[skipped:], named):
                raise MisfitError(sentence) from None
            raise

    return call


def _switches(parameters: Sequence[inspect.Parameter]) -> dict[str, int]:
    """Lists the parameters that are declared as bool, with the place that one without a name has in a call."""
    by_name = (inspect.Parameter.KEYWORD_ONLY, *VARIADIC)
    return {
        parameter.name: sys.maxsize if parameter.kind in by_name else place
        for place, parameter in enumerate(parameters)
        if parameter.annotation is bool
    }


def _wrong_switch(switches: Mapping[str, int], given: Sequence[object], named: Mapping[str, object]) -> str | None:
    """Says which switch is neither True nor False. None where all are."""
    for switch, place in switches.items():
        value = named.get(switch, given[place] if place < len(given) else False)
        if not isinstance(value, bool):
            return f"{switch} is {value!r}; give True or False."
    return None


def _misfit(
    name: str, parameters: Sequence[inspect.Parameter], given: Sequence[object], named: Mapping[str, object]
) -> str | None:
    """Says why arguments do not fit a function's parameters. None where they fit."""
    known = [parameter.name for parameter in parameters if parameter.kind not in VARIADIC]
    by_place = [parameter.name for parameter in parameters if parameter.kind is parameter.POSITIONAL_OR_KEYWORD]
    needed = [one.name for one in parameters if one.default is one.empty and one.kind not in VARIADIC]
    kinds = {parameter.kind for parameter in parameters}
    unknown = [] if inspect.Parameter.VAR_KEYWORD in kinds else [one for one in named if one not in known]
    if unknown:
        if setting := _setting_of(unknown[0], parameters):
            return f"{name} takes no {unknown[0]!r}: {setting}."
        return f"{name} takes no {unknown[0]!r}; {meant(unknown[0], known)}."
    if len(given) > len(by_place) and inspect.Parameter.VAR_POSITIONAL not in kinds:
        others = [one for one in known if one not in by_place]
        by_name = f"; give the others by name: {', '.join(others)}" if others else ""
        takes = f"takes {len(by_place)} ({', '.join(by_place)})" if by_place else "takes none"
        return f"{name} {takes} without a name, got {len(given)}{by_name or '; leave the others out'}."
    if twice := [one for one in by_place[: len(given)] if one in named]:
        return f"{name} got {twice[0]!r} twice, by its place and by its name; give it once."
    if missing := [one for one in needed if one not in named and one not in by_place[: len(given)]]:
        return f"{name} needs {joined(missing, 'and')}; {_call(name, parameters)}."
    return None


def _setting_of(name: str, parameters: Sequence[inspect.Parameter]) -> str | None:
    """Says which options of a function have a setting of this name, or of the name that it usually means."""
    for parameter in parameters:
        for kind in (parameter.annotation, *get_args(parameter.annotation)):
            fields = getattr(kind, "model_fields", {}) if isinstance(kind, type) else {}
            setting = name if name in fields else usual(name, fields)
            if setting:
                made = f"{kind.__name__}({setting}=...)"
                return f"it is a setting of {kind.__name__}; write {parameter.name}={made}"
    return None


def _call(name: str, parameters: Sequence[inspect.Parameter]) -> str:
    """Shows a call with the arguments that a function needs."""
    needed = [one for one in parameters if one.default is one.empty and one.kind not in VARIADIC]
    shown = [f"{one.name}=..." if one.kind is one.KEYWORD_ONLY else one.name for one in needed]
    return f"call {name}({', '.join(shown)})"


def require(given: object, kind: type, remedy: str) -> None:
    """Raises ValueError when an argument is not of this type. The remedy says what to give."""
    if not isinstance(given, kind):
        raise ValueError(f"{kind.__name__} was expected, got {_called(given)}; {remedy}.")


def require_options(given: object, kind: type) -> None:
    """Raises ValueError when options are not of this class."""
    require(given, kind, f"give {kind.__name__}(NAME=VALUE), or leave the options out")


def require_choice(name: str, given: object, choices: Sequence[str], remedy: str = "") -> None:
    """Raises ValueError when an argument is none of the words that it may be. It suggests the nearest one."""
    if not isinstance(given, str) or given not in choices:
        raise ValueError(f"{name} is {given!r}; {meant(str(given), choices)}{remedy}.")


def require_steps(name: str, given: object, least: int) -> None:
    """Raises ValueError when an argument is no whole number of steps, or a smaller one than the least."""
    if not isinstance(given, int) or given < least:
        raise ValueError(f"{name}={given!r} is not a number of steps; give {least} or more.")


def require_number(name: str, given: object, *, above: float | None = None) -> None:
    """Raises ValueError when an argument is no finite number, or none above a bound. Without one, 0 is the least."""
    number = float(given) if isinstance(given, Real) and not isinstance(given, bool) else math.nan
    if not math.isfinite(number) or (number < 0 if above is None else number <= above):
        allowed = "0 or more" if above is None else f"above {above:g}"
        raise ValueError(f"{name}={given!r} can't be used; give a number {allowed}.")


def require_seed(given: object) -> None:
    """Raises ValueError when an argument is no whole number that every generator accepts as its seed."""
    if not isinstance(given, int) or isinstance(given, bool) or not 0 <= given <= MAX_SEED:
        raise ValueError(f"seed is {given!r}; give a whole number from 0 to {MAX_SEED}.")


def require_rate(name: str, given: object) -> None:
    """Raises ValueError when an argument is no rate, which is a number from 0 to 1."""
    number = float(given) if isinstance(given, Real) and not isinstance(given, bool) else math.nan
    if not 0 <= number <= 1:
        remedy = "write 5% as 0.05" if number > 1 else "give a number such as 0.05"
        raise ValueError(f"{name}={given!r} is not a rate from 0 to 1; {remedy}.")


def require_share(name: str, given: object) -> None:
    """Raises ValueError when an argument is no share, which is a number above 0 and below 1."""
    number = float(given) if isinstance(given, Real) and not isinstance(given, bool) else math.nan
    if not 0 < number < 1:
        remedy = "write 5% as 0.05" if number >= 1 else "give a number such as 0.01"
        raise ValueError(f"{name}={given!r} is not a share above 0 and below 1; {remedy}.")


def require_name(given: object, what: str, remedy: str) -> None:
    """Raises ValueError when an argument is neither a name nor a path."""
    if not isinstance(given, str | Path):
        raise ValueError(f"the name or path of {what} was expected, got {_called(given)}; {remedy}.")


def _called(given: object) -> str:
    """Names an argument for an error: its type, or the class that it is."""
    return f"the class {given.__name__}" if isinstance(given, type) else type(given).__name__
