"""Prints what a command shows: progress on stderr, then tables or one JSON object on stdout."""

import json
import math
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Lock, Thread
from typing import Annotated, Self

from cyclopts import Parameter
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress
from rich.table import Table
from rich.text import Text

from holdfast.commands.waiting import note_progress
from holdfast.commands.words import facts
from holdfast.option_groups import OUTPUT
from holdfast.printable import printable
from holdfast.progress import Progress, hidden, silent
from holdfast.prompts.told import sentences

SECONDS_BETWEEN_LINES = 5.0
SECONDS_OF_SILENCE = 9.0
"""Seconds after which another line says that a long step still runs."""
UNWRAPPED = 10_000
"""Width in characters for a file or pipe, where no line wraps and a table is as wide as its content.

Where the variable COLUMNS sets another width, tables wrap to it, as for the log of a job.
"""
Json = Annotated[bool, Parameter(name="--json", negative=""), OUTPUT]
"""Asks for one JSON object in place of tables."""


TELLING = 0.05
"""Share of a step that must be done before its time left is estimated."""


@contextmanager
def shown_progress() -> Iterator[Progress]:
    """Shows progress and the time left on stderr: live bars in a terminal, else a line at least every ten seconds."""
    if hidden.get():
        yield silent
        return
    console = Console(stderr=True)
    if not console.is_terminal:
        with _Lines() as lines:
            yield lines
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        _TimeLeft(),
    )
    with RichProgress(*columns, console=console, transient=True) as bars:
        yield _Bars(bars)


def show(result: object, tables: Sequence[RenderableType], as_json: bool, note: str | None = None) -> None:
    """Prints the result as one JSON object, or as tables and a note that names the files written.

    Reading prompt files makes notes on stderr, which the JSON repeats under "notes". When the reader of a pipe stops
    early, the remaining output is dropped and the command ends with its usual exit code.
    """
    try:
        _print(result, tables, as_json, note)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Tables(Console):
    """Console that raises BrokenPipeError when the reader of the pipe has gone. Rich's own console ends the program."""

    def on_broken_pipe(self) -> None:
        """Raises BrokenPipeError."""
        raise BrokenPipeError


def _print(result: object, tables: Sequence[RenderableType], as_json: bool, note: str | None) -> None:
    if as_json:
        notes = sentences.get()
        result = {**result, "notes": notes} if notes and isinstance(result, Mapping) else result
        sys.stdout.write(json.dumps(result, sort_keys=True, allow_nan=False) + "\n")
        return
    console = _Tables()
    if not console.is_terminal and not os.environ.get("COLUMNS", "").isdecimal():
        console.width = UNWRAPPED  # rich itself takes the width of COLUMNS
    for made in tables:
        if isinstance(made, Table) and made.title:
            console.print(made.title, style="italic", highlight=False)  # the table would wrap it to its own width
            made.title = None
        console.print(made)
    if note:
        console.print(note, markup=False, highlight=False)


def show_known(title: str, result: Mapping[str, object], as_json: bool, note: str | None = None) -> None:
    """Shows a result without the entries that are None, and a note below it."""
    known = {name: value for name, value in result.items() if value is not None}
    show(known, [table(title, ("what", "value"), facts(known))], as_json, note=note)


def warn(sentence: str, *, always: bool = False) -> None:
    """Prints a warning on stderr, except with --quiet. `always` prints it also then."""
    if always or not hidden.get():
        sys.stderr.write(f"holdfast: warning: {sentence}\n")


def unless_quiet(text: str) -> str:
    """Returns a text that explains or advises, and nothing with --quiet, which prints the result alone."""
    return "" if hidden.get() else text


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """Makes a table of plain text. Nothing in it is read as markup, and a cell that is too wide wraps.

    A cell that is a tuple has a line for each of its parts.
    """
    made = Table(title=escape(title), title_justify="left")
    for column in columns:
        made.add_column(escape(column), overflow="fold")
    for row in rows:
        made.add_row(*("\n".join(map(_plain, cell)) if isinstance(cell, tuple) else _plain(cell) for cell in row))
    return made


def _plain(cell: object) -> str:
    return escape(printable(str(cell)))


def _is_telling(done: float, total: float) -> bool:
    """True once enough is done to estimate the time left. The first parts may be far larger than the others."""
    return done > 0 and done >= TELLING * total


class _TimeLeft(TimeRemainingColumn):
    """The time left, once enough of the step is done."""

    def render(self, task: Task) -> Text:
        """Renders the time, or nothing."""
        return super().render(task) if _is_telling(task.completed, task.total or 0) else Text("")


class _Bars:
    """Draws one bar per step that runs, and replaces a finished one with a line."""

    def __init__(self, bars: RichProgress) -> None:
        self.bars = bars
        self.tasks: dict[str, TaskID] = {}

    def __call__(self, label: str, done: int, total: int) -> None:
        note_progress()
        if label not in self.tasks:
            self.tasks[label] = self.bars.add_task(escape(label), total=total)
        self.bars.update(self.tasks[label], completed=done, total=total)
        if done >= total:
            self.bars.remove_task(self.tasks.pop(label))
            self.bars.console.print(f"[green]done[/green] {escape(label)}")


@dataclass
class _Step:
    """A running step, as its lines show it."""

    label: str
    begun: float
    """Time of its first report."""
    before: int
    """Number that was done then."""
    count: str = ""
    ends: float | None = None
    """Time at which it should end. None until enough is done to estimate it."""

    def report(self, now: float, done: int, total: int) -> None:
        """Takes the number of parts that are done."""
        self.count = f" {done}/{total}" if done or total > 1 else ""  # a step without parts shows no count
        if _is_telling(done - self.before, total):
            self.ends = now + (now - self.begun) / (done - self.before) * (total - done)

    def line(self, now: float) -> str:
        """Names the step, its count, the time since it began, and the time left where that is known."""
        left = f", {self.ends - now:.0f} s left" if self.ends is not None and self.ends > now else ""
        return f"{self.label}{self.count}, {now - self.begun:.0f} s so far{left}"


class _Lines:
    """Prints a line when a step begins, every few seconds while it advances, and when it ends.

    While a step reports nothing for longer, lines say that it still runs. Every line between names the running step and
    the time since it began. Use the object as a context manager.
    """

    def __init__(self) -> None:
        self.last = -math.inf  # the first line comes at once
        self.running: dict[str, _Step] = {}
        """Steps that run, in the order in which they began. A step contains those that began after it."""
        self.next: _Step | None = None
        """The step after the one that ended last, until it reports."""
        self._ended, self._lock = Event(), Lock()
        self._watch = Thread(target=self._break_silence, daemon=True)

    def __enter__(self) -> Self:
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._watch.join()

    def __call__(self, label: str, done: int, total: int) -> None:
        note_progress()
        with self._lock:
            now = time.monotonic()
            is_new = label not in self.running
            step = self.running.setdefault(label, _Step(label, now, done))
            step.report(now, done, total)
            if not done or done >= total or now - self.last > SECONDS_BETWEEN_LINES:
                self._write(f"{label}{step.count}" if is_new or done >= total else step.line(now))
            if done >= total:
                del self.running[label]
                self.next = _Step(f"the step after {label}", now, 0)

    def _break_silence(self) -> None:
        while not self._ended.wait(SECONDS_OF_SILENCE / 10):
            with self._lock:
                now = time.monotonic()
                step = next(reversed(self.running.values()), self.next)
                if step and now - self.last >= SECONDS_OF_SILENCE:
                    self._write(step.line(now))

    def _write(self, line: str) -> None:
        self.last = time.monotonic()
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
