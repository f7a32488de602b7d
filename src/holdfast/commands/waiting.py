"""Announces that libraries are loading, when a command has printed no progress for a few seconds."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Event, Thread

SECONDS = 3.0
"""Seconds after the start of a command until the announcement."""
_heard: ContextVar[Event | None] = ContextVar("heard", default=None)
"""Event that is set once the command has reported progress."""


@contextmanager
def libraries_announced() -> Iterator[None]:
    """Prints one line on stderr, unless the command reports progress first, ends, or loads no torch."""
    if "transformers" in sys.modules:
        yield
        return
    heard = Event()
    before = _heard.set(heard)
    Thread(target=_announce, args=(heard,), daemon=True).start()
    try:
        yield
    finally:
        heard.set()
        _heard.reset(before)


def note_progress() -> None:
    """Records that the command has reported progress, so that no announcement follows."""
    heard = _heard.get()
    if heard is not None:
        heard.set()


def _announce(heard: Event) -> None:
    while not heard.wait(SECONDS):
        if "torch" in sys.modules:
            sys.stderr.write("loading libraries\n")
            return
