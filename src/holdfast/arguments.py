"""Checks of what a function is given, in one sentence: a script's author has no command line that reads it first."""

from pathlib import Path


def require(given: object, kind: type, remedy: str) -> None:
    """Raises ValueError when an argument is of another kind; the remedy says what to give."""
    if not isinstance(given, kind):
        raise ValueError(f"{kind.__name__} was expected, got {_called(given)}; {remedy}.")


def require_options(given: object, kind: type) -> None:
    """Raises ValueError when something else is given as options."""
    require(given, kind, f"give {kind.__name__}(NAME=VALUE), or leave the options out")


def require_name(given: object, what: str, remedy: str) -> None:
    """Raises ValueError when something is given by value that is taken by its name or path."""
    if not isinstance(given, str | Path):
        raise ValueError(f"the name or path of {what} was expected, got {_called(given)}; {remedy}.")


def _called(given: object) -> str:
    """What an argument is called: its kind, or the class that it is."""
    return f"the class {given.__name__}" if isinstance(given, type) else type(given).__name__
