"""Progress of long work: a callable that takes a label, the steps done and the number of steps."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic
from typing import Protocol, TypeVar, runtime_checkable

from holdfast.arguments import checked_call

Item = TypeVar("Item")
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


def steps_of(progress: Progress, label: str, items: Sequence[Item]) -> Iterator[Item]:
    """Yields the items, and reports how many are done: before the first one and after each."""
    progress(label, 0, len(items))
    for done, item in enumerate(items, start=1):
        yield item
        progress(label, done, len(items))


def silent(label: str, done: int, total: int) -> None:
    """Ignores progress."""


class ProgressPrinter:
    """Prints a line on stderr when a step of the work begins, every ten seconds, and when it ends."""

    def __init__(self, seconds: float = 10.0) -> None:
        """Takes the least number of seconds between two lines of one step."""
        self.seconds = seconds
        self._label, self._printed = "", 0.0

    def __call__(self, label: str, done: int, total: int) -> None:
        """Prints 'tuning 20/300', unless the last line of the same step is newer than the interval."""
        now, begins = monotonic(), label != self._label
        if begins or done >= total or now - self._printed >= self.seconds:
            self._label, self._printed = label, now
            print(f"{label} {done:,}/{total:,}", file=sys.stderr, flush=True)


_PRINTER = ProgressPrinter()


@checked_call
def print_progress(label: str, done: int, total: int) -> None:
    """Prints progress on stderr: when a step begins, every ten seconds, and when it ends.

    Give it to a long function, as in `adapt(..., progress=holdfast.print_progress)`.

    Raises:
        ValueError: the label is no text, or a number of steps is no whole number.
    """
    if not isinstance(label, str) or not isinstance(done, int) or not isinstance(total, int):
        given = ", ".join(type(one).__name__ for one in (label, done, total))
        raise ValueError(
            f"print_progress takes a text and two whole numbers, got {given}; give it as progress=print_progress."
        )
    _PRINTER(label, done, total)
