"""Says that libraries are being loaded, where a command tells nothing for a few seconds: importing takes as long."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Event, Thread

SECONDS = 3.0
"""From the start of a command, before it says what it waits for."""
_heard: ContextVar[Event | None] = ContextVar("heard", default=None)
"""Set when the command has told something."""


@contextmanager
def libraries_announced() -> Iterator[None]:
    """One line on stderr, unless the command tells something before, ends, or loads nothing that takes long."""
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


def has_told() -> None:
    """Notes that the command has told something of what it does."""
    heard = _heard.get()
    if heard is not None:
        heard.set()


def _announce(heard: Event) -> None:
    while not heard.wait(SECONDS):
        if "torch" in sys.modules:
            sys.stderr.write("loading libraries\n")
            return
