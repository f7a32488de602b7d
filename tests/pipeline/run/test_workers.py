import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from holdfast.pipeline.run.workers import Unit, Workers
from holdfast.progress import Progress, silent


@pytest.fixture(scope="module")
def two() -> Iterator[Workers]:
    """Two workers, which take seconds to start, for all tests that leave them whole."""
    with Workers(2) as workers:
        yield workers


@pytest.fixture
def some(request):
    """Gives workers by their number: one, which is this process, or two."""

    @contextmanager
    def workers(count: int, progress: Progress = silent) -> Iterator[Workers]:
        if count == 1:
            with Workers(1, progress=progress) as alone:
                yield alone
        else:
            shared = request.getfixturevalue("two")
            shared.progress = progress
            yield shared
            shared.progress = silent

    return workers


def write(path: Path, text: str, progress: Progress) -> None:
    progress("writing", 1, 1)
    path.write_text(text)


def fail(progress: Progress) -> None:
    raise ValueError("this unit fails")


def test_a_unit_of_several_files_is_done_again_when_any_is_missing(tmp_path):
    kept, lost = tmp_path / "kept", tmp_path / "lost"
    unit = Unit("both", write, [lost, kept], {"path": lost, "text": "made again"})
    kept.write_text("kept")
    with Workers() as workers:
        workers.run([unit])
        lost.write_text("whole now")
        workers.run([unit])
    assert lost.read_text() == "whole now"


@pytest.mark.parametrize("count", [1, 2])
def test_units_that_are_done_are_not_done_again(tmp_path, count, some):
    paths = [tmp_path / name for name in "abc"]
    paths[1].write_text("kept")
    units = [Unit(path.name, write, path, {"path": path, "text": "new"}) for path in paths]
    told, finished = [], []
    with some(count, lambda *message: told.append(message)) as workers:
        workers.run(units, lambda unit, seconds: finished.append(unit.label))
        time.sleep(0.2)
    assert [path.read_text() for path in paths] == ["new", "kept", "new"]
    assert sorted(finished) == ["a", "c"]
    each = [("a", 0, 1), ("a", 1, 1), ("a: writing", 1, 1)]
    assert sorted(told) == each + [(label.replace("a", "c", 1), done, total) for label, done, total in each]


def warn(path: Path, progress: Progress) -> None:
    logging.getLogger("holdfast.somewhere").warning("said by %s", path.name)
    logging.getLogger("holdfast.somewhere").info("hidden")
    logging.getLogger("holdfast.prompts.told").warning("read by the parent as well")
    path.write_text("done")


def test_what_workers_log_is_logged_by_the_process_that_started_them(tmp_path, caplog, some):
    units = [Unit(name, warn, tmp_path / name, {"path": tmp_path / name}) for name in "ab"]
    with some(2) as workers:
        workers.run(units)
        time.sleep(0.2)
    logged = sorted((record.levelname, record.message) for record in caplog.records)
    assert logged == [("WARNING", "said by a"), ("WARNING", "said by b")]


def wait(path: Path, progress: Progress) -> None:
    time.sleep(0.3)
    path.write_text("done")


@pytest.mark.parametrize("count", [1, 2])
def test_a_unit_is_timed_by_itself_however_long_it_waited(tmp_path, count, some):
    units = [Unit(f"{order}", wait, tmp_path / f"{order}", {"path": tmp_path / f"{order}"}) for order in range(5)]
    told = {}
    with some(count) as workers:
        workers.run(units, lambda unit, seconds: told.update({unit.label: seconds}))
    # Each sleeps for 0.3 s; the last begins after 0.6 s at the earliest.
    assert all(0.3 <= seconds < 0.55 for seconds in told.values()), told
    assert len(told) == 5


@pytest.mark.parametrize("count", [1, 2])
def test_a_failing_unit_raises_its_error(tmp_path, count):
    with pytest.raises(ValueError, match="this unit fails"), Workers(count) as workers:
        workers.run([Unit("bad", fail, tmp_path / "x")])


def write_for_long(path: Path, progress: Progress) -> None:
    path.with_suffix(".pid").write_text(str(os.getpid()))
    time.sleep(60)
    path.write_text("late")


def run_for_long(folder: str) -> None:
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with Workers(2) as workers:
        workers.run([Unit("long", write_for_long, Path(folder) / "x", {"path": Path(folder) / "x"})])


def wait_until(holds, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not (found := holds()) and time.monotonic() < end:
        time.sleep(0.1)
    return found


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_when_the_run_is_killed_or_interrupted(stop, tmp_path):
    run = multiprocessing.get_context("fork").Process(target=run_for_long, args=(str(tmp_path),))
    run.start()
    mark = tmp_path / "x.pid"
    assert wait_until(lambda: mark.is_file() and bool(mark.read_text()), 60)
    worker = int(mark.read_text())
    if stop == signal.SIGINT:
        os.killpg(run.pid, stop)  # as Ctrl-C does: to all of them
    else:
        os.kill(run.pid, stop)
    run.join(30)
    assert run.exitcode not in (None, 0)
    assert wait_until(lambda: not is_alive(worker), 20)
    assert not (tmp_path / "x").exists()


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and that nobody has asked about counts as ended."""
    try:
        return "zombie" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False
