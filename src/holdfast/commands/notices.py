"""Keeps notices of other libraries from whoever runs a command: deprecations, advice, bars of their own.

A command's own warnings are holdfast's, and what goes wrong is raised. Whoever wants the others asks for them, by
`PYTHONWARNINGS` or `python -W`, and by the variables below, which are left as they are where they are set. Nothing here
touches a program that imports holdfast.
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
    "PYTHONWARNINGS": "ignore",  # of the processes that a run starts
}
"""Libraries read them when they are imported, which is after a command begins; the processes of a run inherit them."""
DOWNLOADS = {"HF_HUB_DISABLE_PROGRESS_BARS": "1"}
"""A download takes long enough to be shown, but for `--quiet`."""


class _Named(logging.Formatter):
    """Begins what holdfast logs with its name and level: `holdfast: note: ...`."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return f"holdfast: {record.levelname.lower()}: {text}" if record.name.startswith("holdfast") else text


class _Once(logging.Filter):
    """Lets every sentence through once."""

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
    """While a command runs, its notes and warnings begin as holdfast's own and are shown once each.

    A program's own logging stays as it is.
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
    """While a command runs, other libraries are silent up to errors; then everything is as it was.

    Args:
        downloads: whether the bars of downloads are silent, too.
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
