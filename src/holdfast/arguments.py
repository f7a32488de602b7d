"""Type checks of arguments, for scripts that call the library: each raises a ValueError of one sentence."""

from pathlib import Path


def require(given: object, kind: type, remedy: str) -> None:
    """Raises ValueError when an argument is not of this type. The remedy says what to give."""
    if not isinstance(given, kind):
        raise ValueError(f"{kind.__name__} was expected, got {_called(given)}; {remedy}.")


def require_options(given: object, kind: type) -> None:
    """Raises ValueError when options are not of this class."""
    require(given, kind, f"give {kind.__name__}(NAME=VALUE), or leave the options out")


def require_name(given: object, what: str, remedy: str) -> None:
    """Raises ValueError when an argument is neither a name nor a path."""
    if not isinstance(given, str | Path):
        raise ValueError(f"the name or path of {what} was expected, got {_called(given)}; {remedy}.")


def _called(given: object) -> str:
    """Names an argument for an error: its type, or the class that it is."""
    return f"the class {given.__name__}" if isinstance(given, type) else type(given).__name__
