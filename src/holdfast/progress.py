"""Progress of long work: a callable that takes a label, the steps done and the number of steps."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol, runtime_checkable

hidden: ContextVar[bool] = ContextVar("hidden", default=False)
"""True where the command line shows no progress (`--quiet`)."""


@runtime_checkable
class Progress(Protocol):
    """A callable that long work calls after every step. The library never prints, and the command line draws a bar."""

    def __call__(self, label: str, done: int, total: int) -> None: ...


@contextmanager
def step(progress: Progress, label: str) -> Iterator[None]:
    """Reports the beginning and the end of work without parts, so that a long wait has a name."""
    progress(label, 0, 1)
    yield
    progress(label, 1, 1)


def silent(label: str, done: int, total: int) -> None:
    """Ignores progress."""
