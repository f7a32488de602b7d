"""Errors about logs that can't be compared: one sentence each, with what to do. They also end the reading of lines."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from holdfast.evaluate.logs.shapes import Shape, require_shape


def cut_off(path: Path, program: str, why: str) -> ValueError:
    """Makes the error about an evaluation that did not finish."""
    return ValueError(
        f"{str(path)!r} is a log of {program} that was cut off: {why}; let the evaluation finish, because the samples "
        "that are missing may be the hard ones."
    )


def other_version(path: Path, program: str, has: str, needed: str) -> ValueError:
    """Makes the error about a log of a version that is not read."""
    return ValueError(
        f"{str(path)!r} is a log of {program} of {has}, and holdfast reads {needed}; evaluate again with a version of "
        f"{program} that writes it."
    )


def without_ids(path: Path, program: str, what: str, advice: str) -> ValueError:
    """Makes the error about samples that can't be told apart."""
    return ValueError(f"{str(path)!r} is a log of {program} whose samples can't be matched: {what}; {advice}.")


def without_numbers(path: Path, program: str) -> ValueError:
    """Makes the error about a log in which no sample has a number."""
    return ValueError(
        f"{str(path)!r} is a log of {program} without any number to compare; score its samples, and give the new log."
    )


def contradicting(path: Path, program: str, what: str) -> ValueError:
    """Makes the error about samples that do not give the numbers which the same log records."""
    return ValueError(
        f"{str(path)!r} is a log of {program} that contradicts itself: {what}; evaluate again, because somebody may "
        "have edited its samples."
    )


def parse_lines(
    path: Path, program: str, shape: Callable[[Mapping[str, Any]], Shape] = lambda _: dict
) -> Iterator[dict[str, Any]]:
    """Yields the objects of a file of JSON lines.

    Args:
        path: the file.
        program: the program that wrote it.
        shape: returns the shape that an object must have.

    Raises:
        ValueError: the file is empty, a line was cut off, or an object has another shape.
    """
    if not path.stat().st_size:
        raise ValueError(f"{str(path)!r} is empty; let {program} finish, and give the file that it writes then.")
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except ValueError as error:
                raise cut_off(path, program, f"line {number} is no whole JSON object") from error
            if not isinstance(record, dict):
                raise cut_off(path, program, f"line {number} is no JSON object")
            require_shape(path, program, record, shape(record), f"line {number}")
            yield record
