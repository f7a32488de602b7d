"""The programs whose logs are read. A new one is a file beside this one and a row of the table."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from holdfast.evaluate.logs import garak, inspect_ai, lm_eval
from holdfast.evaluate.logs.log import Log
from holdfast.evaluate.logs.wrong_logs import without_numbers
from holdfast.file_kinds import identify
from holdfast.spelling import joined

UNKNOWN = ("json", "binary", "text", "folder")
"""Kinds of paths that nothing here reads."""


class Reader(NamedTuple):
    """A program with what it writes, and the functions that find and read its logs."""

    program: str
    writes: str
    """Words for what the program writes, as a user finds it."""
    is_log: Callable[[Path], bool]
    """Tells from the first bytes or the names of files whether a path is a log of this program."""
    read: Callable[[Path], Log]
    """Reads a log. It raises ValueError where the log was cut off or is of another version."""


READERS = (
    Reader("inspect", "a .eval or .json file of inspect", inspect_ai.is_log, inspect_ai.read),
    Reader("lm-eval", "a folder or file of lm-eval's --log_samples", lm_eval.is_log, lm_eval.read),
    Reader("garak", "a report.jsonl of garak", garak.is_log, garak.read),
)


def read_log(path: Path) -> Log | None:
    """Reads a log. None where the path is no log of a known program.

    Raises:
        ValueError: the log is damaged, was cut off, or has no number to compare.
    """
    reader = reader_of(path)
    if reader is None:
        return None
    try:
        log = reader.read(path)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{str(path)!r} is a log of {reader.program} that was cut off or damaged at line {error.lineno}; copy it "
            "again, or evaluate again."
        ) from error
    except (KeyError, TypeError, AttributeError, IndexError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{str(path)!r} is a log of {reader.program} that was damaged or written by another version; copy it "
            "again, or evaluate again."
        ) from error
    if not any(number is not None for sample in log.samples for number in sample.numbers.values()):
        raise without_numbers(path, reader.program)
    return log


def reader_of(path: Path) -> Reader | None:
    """Finds the program that wrote a log. None where the path is no log of a known program."""
    return next((reader for reader in READERS if reader.is_log(path)), None)


def read_logs(before: Path, after: Path) -> tuple[Log, Log] | None:
    """Reads two logs. None where both paths may be evaluations of holdfast, which have a loader of their own.

    Raises:
        ValueError: one of the two is no log, or both are one. Or a file is of a kind that nothing here reads.
    """
    paths = (before, after)
    readers = tuple(map(reader_of, paths))
    if readers == (None, None):
        _refuse_unknown(*paths)
        return None
    for path, reader, other in zip(paths, readers, reversed(readers), strict=True):
        if reader is None and other is not None:
            raise ValueError(
                f"{str(path)!r} is {identify(path).words}, and the other path a log of {other.program}; give two logs "
                "of one program, or two evaluations."
            )
    _refuse_same(*paths)
    first, second = (log for log in map(read_log, paths) if log is not None)
    if first.identity is not None and first.identity == second.identity:
        raise _one_log(*paths)
    return first, second


def refuse_log(path: Path) -> None:
    """Raises ValueError when a path leads to a log of another program where an evaluation is loaded."""
    if reader := reader_of(path):
        raise ValueError(
            f"{str(path)!r} is a log of {reader.program}, not an evaluation; give the paths of both logs to `compare`."
        )


def refuse_fingerprints(*pinned: str | None) -> None:
    """Raises ValueError when a model is pinned, because logs of other programs record no fingerprint of it."""
    if any(pinned):
        raise ValueError(
            "logs of other programs name their model, and record no fingerprint of it; leave out the fingerprint, and "
            "ask for the model by its name."
        )


def known_logs() -> str:
    """Lists what is read, for a sentence."""
    return joined([reader.writes for reader in READERS])


def _refuse_unknown(*paths: Path) -> None:
    """Raises ValueError when a path leads to something that is neither a log nor a file of holdfast."""
    for path in paths:
        found = identify(path)
        if found.name in UNKNOWN and not found.is_ours:
            raise ValueError(
                f"{str(path)!r} is {found.words}; give an evaluation that `holdfast evaluate` wrote, or a log: "
                f"{known_logs()}."
            )


def _refuse_same(before: Path, after: Path) -> None:
    if before.samefile(after) or (before.is_file() and after.is_file() and before.read_bytes() == after.read_bytes()):
        raise _one_log(before, after)


def _one_log(before: Path, after: Path) -> ValueError:
    return ValueError(
        f"{str(before)!r} and {str(after)!r} are one log, so nothing could differ; give the logs of two models."
    )
