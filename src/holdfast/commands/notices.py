"""Hides the notices of other libraries while a command runs: deprecations, advice and progress bars.

Holdfast's own warnings stay, and errors are raised. To see the notices, set `PYTHONWARNINGS` or `python -W`, or the
variables below: a variable that is already set keeps its value. A program that imports holdfast is not affected.
"""

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from holdfast.notes import NOTE

SETTINGS = {
    "TRANSFORMERS_VERBOSITY": "error",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
    "HF_HUB_VERBOSITY": "error",
    "DATASETS_VERBOSITY": "error",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "ACCELERATE_LOG_LEVEL": "ERROR",
    "TRL_EXPERIMENTAL_SILENCE": "1",
    "TORCH_CPP_LOG_LEVEL": "ERROR",
    "PYTHONWARNINGS": "ignore",  # for the processes that a run starts
}
"""Variables that libraries read at import, after a command has begun. The processes of a run inherit them."""
DOWNLOADS = {"HF_HUB_DISABLE_PROGRESS_BARS": "1"}
"""Variables that also hide the bars of downloads, which only `--quiet` does: a download can take long."""


class _Named(logging.Formatter):
    """Puts holdfast's name and the level before its messages: `holdfast: note: ...`."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return f"holdfast: {record.levelname.lower()}: {text}" if record.name.startswith("holdfast") else text


class _Once(logging.Filter):
    """Lets each sentence through only once."""

    def __init__(self) -> None:
        super().__init__()
        self._said: set[tuple[int, str]] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        sentence = record.levelno, record.getMessage()
        is_new = sentence not in self._said
        self._said.add(sentence)
        return is_new


@contextmanager
def logging_named() -> Iterator[None]:
    """Marks the notes and warnings of a command as holdfast's own, and shows each only once.

    Handlers that the program has set up itself stay unchanged.
    """
    last = logging.lastResort
    if last is None:
        yield
        return
    formatter, level, once = last.formatter, last.level, _Once()
    last.setFormatter(_Named())
    last.setLevel(NOTE)
    last.addFilter(once)
    try:
        yield
    finally:
        last.setFormatter(formatter)
        last.setLevel(level)
        last.removeFilter(once)


@contextmanager
def quiet_libraries(*, downloads: bool = False) -> Iterator[None]:
    """Silences other libraries except for errors, and restores all settings at the end.

    Args:
        downloads: whether to hide the progress bars of downloads as well.
    """
    wanted = SETTINGS | DOWNLOADS if downloads else SETTINGS
    added = {name: value for name, value in wanted.items() if name not in os.environ}
    root = logging.getLogger()
    level = root.level
    os.environ.update(added)
    root.setLevel(max(level, logging.ERROR))
    try:
        with warnings.catch_warnings():
            if not sys.warnoptions:
                warnings.simplefilter("ignore")
            yield
    finally:
        root.setLevel(level)
        for name in added:
            os.environ.pop(name, None)
