"""Takes a value, or loads it from the path of its file, so that functions that need one of the two take both."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from holdfast.artifacts import load_direction, load_mask, load_patch, load_scores
from holdfast.values import Direction, Mask, Patch, Scores

Value = TypeVar("Value", Scores, Mask, Patch, Direction)


def as_scores(given: Scores | str | Path) -> Scores:
    """Returns scores unchanged, and loads them from a path.

    Raises:
        ValueError: the argument is neither, or the file is missing or holds something else.
    """
    return _value(
        given,
        Scores,
        load_scores,
        "scores were expected",
        "give Scores, or the path of a file that `holdfast score` wrote",
    )


def as_mask(given: Mask | str | Path) -> Mask:
    """Returns a mask unchanged, and loads one from a path. Raises ValueError as `as_scores` does."""
    return _value(
        given,
        Mask,
        load_mask,
        "a mask was expected",
        "give a Mask such as select_top(scores, 0.01), or the path of a file that `holdfast select` wrote",
    )


def as_patch(given: Patch | str | Path) -> Patch:
    """Returns a patch unchanged, and loads one from a path. Raises ValueError as `as_scores` does."""
    wrote = "give a Patch, or the path of a file that `holdfast enhance` or `holdfast patch` wrote"
    return _value(given, Patch, load_patch, "a patch was expected", wrote)


def as_direction(given: Direction | str | Path) -> Direction:
    """Returns a direction unchanged, and loads one from a path. Raises ValueError as `as_scores` does."""
    wrote = "give a Direction, or the path of a file that `holdfast direction find` wrote"
    return _value(given, Direction, load_direction, "a direction was expected", wrote)


def _value(
    given: Value | str | Path, kind: type[Value], load: Callable[[str | Path], Value], expected: str, remedy: str
) -> Value:
    if isinstance(given, str | Path):
        return load(given)
    if not isinstance(given, kind):
        raise ValueError(f"{expected}, got {type(given).__name__}; {remedy}.")
    return given


def as_path(given: str | Path | None) -> Path | None:
    """Returns the path that a text names. None stays None."""
    return None if given is None else Path(given)
