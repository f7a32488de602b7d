"""Ends a command on SIGTERM, also within a long call of native code, and says whether the same command continues."""

import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from holdfast.printable import printable

GRACE = 10.0
"""Seconds between SIGTERM and the end of a process that can't react to it."""
AGAIN = 0.05
"""Seconds until a stop that Python ignored is repeated."""
MARKS = frozenset({"settings.json", "fine_tuning.json"})
"""Files that record the settings of the work in a folder. A folder with these alone holds no results."""
CUT_OFF = "stopped in the middle of a step; the same command continues from its last saved state, if there is one."
CONTINUES = "Run the same command again to continue from there."
BEGINS_AGAIN = "stopped; no state was saved, so the same command starts from the beginning."
RUNS = frozenset({"run", "demo"})
"""Commands of several steps, each of which saves its result."""
TUNING = frozenset({"adapt", "enhance"})


class TerminatedError(KeyboardInterrupt):
    """SIGTERM asked the command to end."""


def end_on_sigterm() -> None:
    """Raises TerminatedError on SIGTERM, which schedulers send before they kill a job.

    Python calls a handler between two instructions of its own, and the backward pass of a large model is one. A thread
    therefore ends the process when the handler was not called within `GRACE` seconds. Launchers of several processes
    have such a limit themselves.
    """
    handled = threading.Event()

    def handle(*_: object) -> None:
        handled.set()
        raise TerminatedError

    signal.signal(signal.SIGTERM, handle)
    _raise_again_where_lost()
    if sys.platform == "win32" or int(os.environ.get("WORLD_SIZE", "1")) > 1:
        return
    signals, tells = os.pipe()
    os.set_blocking(tells, False)
    signal.set_wakeup_fd(tells, warn_on_full_buffer=False)
    os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))  # a worker's end is not this process's
    threading.Thread(target=_watch, args=(signals, handled), daemon=True).start()


def _raise_again_where_lost() -> None:
    """Repeats a stop whose exception Python ignored, as it does in a destructor. Else the command would go on."""
    if sys.platform == "win32":  # a signal to the own process ends it there
        return
    usual = sys.unraisablehook

    def repeat(lost: "sys.UnraisableHookArgs", /) -> None:
        if isinstance(lost.exc_value, KeyboardInterrupt):
            number = signal.SIGTERM if isinstance(lost.exc_value, TerminatedError) else signal.SIGINT
            again = threading.Timer(AGAIN, os.kill, (os.getpid(), number))  # this hook would ignore it once more
            again.daemon = True
            again.start()
        else:
            usual(lost)

    sys.unraisablehook = repeat


def _watch(signals: int, handled: threading.Event) -> None:
    """Waits for SIGTERM, and ends the process if the main thread does not react to it."""
    while signal.SIGTERM not in os.read(signals, 1):
        pass
    if not handled.wait(GRACE):
        os.write(2, f"holdfast: {CUT_OFF}\n".encode())
        os._exit(143)


def mark_saved(stop: KeyboardInterrupt, folder: Path) -> None:
    """Records on an interrupt that the folder holds a state from which the command continues, if it does."""
    if any(path.name not in MARKS and path.is_file() and path.stat().st_size for path in folder.rglob("*")):
        stop.saved_in = str(folder)  # pyright: ignore[reportAttributeAccessIssue]


@contextmanager
def result_complete(sentence: str) -> Iterator[None]:
    """Records on an interrupt that the result is on disk. The sentence says what is missing, and how to get it."""
    try:
        yield
    except KeyboardInterrupt as stop:
        stop.complete = sentence  # pyright: ignore[reportAttributeAccessIssue]
        raise


def has_saved(stop: KeyboardInterrupt) -> bool:
    """True if the interrupt left a state from which the command continues."""
    return bool(getattr(stop, "saved_in", None))


def stopped_sentence(stop: KeyboardInterrupt, command: str | None, arguments: Sequence[str] = ()) -> str:
    """Says what is kept, and what the same command does when it is run again. `arguments` are those that were given."""
    if complete := getattr(stop, "complete", None):
        return printable(f"stopped; {complete}")
    if folder := getattr(stop, "saved_in", None):
        return printable(f"stopped; {folder} keeps what is done so far. {CONTINUES}")
    if command in RUNS:
        return f"stopped; finished steps are kept. {CONTINUES}"
    if command not in TUNING:
        return BEGINS_AGAIN
    if any("checkpoint-every" in argument for argument in arguments):
        return f"{BEGINS_AGAIN} It had not reached the first one of --checkpoint-every."
    return f"{BEGINS_AGAIN} --checkpoint-every N saves one every N steps."
