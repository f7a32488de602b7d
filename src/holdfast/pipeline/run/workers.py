"""Independent pieces of work, side by side in a few processes with a share of the cores each.

A unit is done when its files are there, so an interrupted run takes up where it stopped. Workers are started once and
kept, because importing the libraries costs more than most units.
"""

import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from logging.handlers import QueueHandler
from multiprocessing.queues import Queue
from pathlib import Path
from types import TracebackType

import torch

from holdfast.allocator import keep_freed_memory
from holdfast.progress import Progress, silent


@dataclass(frozen=True)
class Unit:
    """One piece of work that leaves files."""

    label: str
    work: Callable[..., object]
    """A module-level function; called with `arguments` and a `progress`."""
    done: Path | Sequence[Path]
    """What it leaves: where all of it exists the unit is skipped."""
    arguments: Mapping[str, object] = field(default_factory=dict)

    @property
    def is_done(self) -> bool:
        """Whether nothing that it leaves is missing."""
        return all(path.exists() for path in ([self.done] if isinstance(self.done, Path) else self.done))


class Workers:
    """Runs units in this process (one worker) or in several.

    Args:
        count: processes; 1 runs everything here, as a GPU wants it.
        threads: cores for each, which also fixes the order of floating-point sums.
    """

    def __init__(self, count: int = 1, threads: int = 1, progress: Progress = silent) -> None:
        self.count, self.threads, self.progress = count, threads, progress
        self._pool: ProcessPoolExecutor | None = None
        self._told: Queue | None = None

    def __enter__(self) -> "Workers":
        if self.count > 1:
            self._before = multiprocessing.active_children()
            context = multiprocessing.get_context("spawn")
            self._told = context.Queue()
            given = self.threads, self._told, logging.getLogger("holdfast").getEffectiveLevel()
            self._pool = ProcessPoolExecutor(self.count, context, _start, given)
            threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None and self._told is not None:
            if kind is not None:
                self._stop()
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._told.put(None)

    def _stop(self) -> None:
        """Ends the workers in the midst of their units: whoever interrupts a run should not wait for the longest."""
        for process in multiprocessing.active_children():
            if process not in self._before:
                process.terminate()

    def run(self, units: Sequence[Unit], finished: Callable[[Unit, float], None] = lambda unit, seconds: None) -> None:
        """Runs the units that are not done, in order as workers come free.

        After each `finished` is called with the seconds that the unit itself took, waiting for a worker left out.

        A unit that fails stops the rest, and its error is raised here.
        """
        waiting = [unit for unit in units if not unit.is_done]
        if self._pool is None:
            for unit in waiting:
                finished(unit, _work(unit, self.progress))
            return
        futures: dict[Future[float], Unit] = {self._pool.submit(_work_and_tell, unit): unit for unit in waiting}
        try:
            for future in as_completed(futures):
                finished(futures[future], future.result())
        except BaseException:
            for future in futures:
                future.cancel()
            raise

    def _listen(self) -> None:
        assert self._told is not None
        while (message := self._told.get()) is not None:
            if isinstance(message, logging.LogRecord):
                logging.getLogger(message.name).handle(message)
            else:
                self.progress(*message)


class _Labelled:
    """Progress under a unit's own label, so that units side by side can be told apart."""

    def __init__(self, unit: str, progress: Progress) -> None:
        self.unit, self.progress = unit, progress

    def __call__(self, label: str, done: int, total: int) -> None:
        self.progress(f"{self.unit}: {label}", done, total)


_queue: Queue | None = None  # a worker process's line to the process that started it


def _start(threads: int, told: Queue, level: int) -> None:
    global _queue
    keep_freed_memory()
    torch.set_num_threads(threads)
    _queue = told
    logging.getLogger("holdfast").setLevel(level)
    logging.getLogger("holdfast").addHandler(QueueHandler(told))  # the parent says it, once for all workers
    logging.getLogger("holdfast.prompts.told").setLevel(logging.ERROR)  # the parent has read the same files
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is the parent's, which then ends its workers
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A worker that outlives a killed run would go on writing into the folder that the next run takes up."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _tell(label: str, done: int, total: int) -> None:
    assert _queue is not None
    _queue.put((label, done, total))


def _work(unit: Unit, progress: Progress) -> float:
    """Does the unit's work, tells of its beginning and its end, and returns the seconds that it took."""
    started = time.monotonic()
    progress(unit.label, 0, 1)
    unit.work(**unit.arguments, progress=_Labelled(unit.label, progress))
    progress(unit.label, 1, 1)
    return time.monotonic() - started


def _work_and_tell(unit: Unit) -> float:
    return _work(unit, _tell)
