"""Names the library that a command loads, while the command has reported no progress yet."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Event, Thread

SECONDS = 3.0
"""Seconds after the start of a command until the first line."""
SECONDS_BETWEEN = 9.0
"""Seconds from one line to the next."""
SLOW = ("torch", "transformers", "scipy", "sklearn", "datasets", "peft", "trl", "vllm", "lm_eval")
"""Libraries that can take long to load."""
_heard: ContextVar[Event | None] = ContextVar("heard", default=None)
"""Event that is set once the command has reported progress."""


@contextmanager
def libraries_announced() -> Iterator[None]:
    """Prints a line on stderr every few seconds while a slow library loads, until the command reports progress."""
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
    """Records that the command has reported progress, so that no line follows."""
    heard = _heard.get()
    if heard is not None:
        heard.set()


def _announce(heard: Event) -> None:
    begun, pause = time.monotonic(), SECONDS
    while not heard.wait(pause):
        library = loading()
        if library:
            sys.stderr.write(f"loading the library {library}, {time.monotonic() - begun:.0f} s so far\n")
        pause = SECONDS_BETWEEN if library else SECONDS / 10


def loading() -> str | None:
    """Returns the name of a slow library that is being imported, or None."""
    for name, module in list(sys.modules.items()):
        library = name.partition(".")[0]
        # Python itself marks a module so while its code runs.
        if library in SLOW and getattr(getattr(module, "__spec__", None), "_initializing", False):
            return library
    return None
