"""Runs independent pieces of work in a few processes, each with a share of the cores.

A unit is done when its files exist, so an interrupted run resumes where it stopped. Workers are started once and kept,
because importing the libraries takes longer than most units.
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
    """A piece of work that writes files."""

    label: str
    work: Callable[..., object]
    """Module-level function, called with `arguments` and a `progress`."""
    done: Path | Sequence[Path]
    """Files that it writes. If all of them exist, the unit is skipped."""
    arguments: Mapping[str, object] = field(default_factory=dict)

    @property
    def is_done(self) -> bool:
        """True where all files of the unit exist."""
        return all(path.exists() for path in ([self.done] if isinstance(self.done, Path) else self.done))


class Workers:
    """Runs units in this process (one worker) or in several.

    Args:
        count: number of processes. 1 runs everything in this process, as a GPU needs it.
        threads: cores of each process. They also fix the order of floating-point sums.
        progress: called with the progress of all units.
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
        """Terminates the workers amid their units, so that an interrupted run need not wait for the longest."""
        for process in multiprocessing.active_children():
            if process not in self._before:
                process.terminate()

    def run(self, units: Sequence[Unit], finished: Callable[[Unit, float], None] = lambda unit, seconds: None) -> None:
        """Runs the units that are not done, in order as workers become free.

        After each unit it calls `finished` with the seconds of the unit's own work, without its wait for a worker. A
        unit that fails stops the others, and its error is raised here.
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
    """Reports progress under a unit's own label, which identifies units that run side by side."""

    def __init__(self, unit: str, progress: Progress) -> None:
        self.unit, self.progress = unit, progress

    def __call__(self, label: str, done: int, total: int) -> None:
        self.progress(f"{self.unit}: {label}", done, total)


_queue: Queue | None = None  # the queue from a worker to the process that started it


def _start(threads: int, messages: Queue, level: int) -> None:
    global _queue
    keep_freed_memory()
    torch.set_num_threads(threads)
    _queue = messages
    logging.getLogger("holdfast").setLevel(level)
    logging.getLogger("holdfast").addHandler(QueueHandler(messages))  # the parent logs it
    logging.getLogger("holdfast.prompts.told").setLevel(logging.ERROR)  # the parent has read the same files
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles an interrupt and ends its workers
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Ends this worker when its parent dies. Otherwise it would write into the folder of a resumed run."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _tell(label: str, done: int, total: int) -> None:
    assert _queue is not None
    _queue.put((label, done, total))


def _work(unit: Unit, progress: Progress) -> float:
    """Runs the unit, reports its beginning and its end, and returns its seconds."""
    started = time.monotonic()
    progress(unit.label, 0, 1)
    unit.work(**unit.arguments, progress=_Labelled(unit.label, progress))
    progress(unit.label, 1, 1)
    return time.monotonic() - started


def _work_and_tell(unit: Unit) -> float:
    return _work(unit, _tell)
