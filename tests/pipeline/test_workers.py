import time
from pathlib import Path

import pytest

from holdfast.pipeline.workers import Unit, Workers
from holdfast.progress import Progress


def write(path: Path, text: str, progress: Progress) -> None:
    progress("writing", 1, 1)
    path.write_text(text)


def fail(progress: Progress) -> None:
    raise ValueError("this unit fails")


@pytest.mark.parametrize("count", [1, 2])
def test_units_that_are_done_are_not_done_again(tmp_path, count):
    paths = [tmp_path / name for name in "abc"]
    paths[1].write_text("kept")
    units = [Unit(path.name, write, path, {"path": path, "text": "new"}) for path in paths]
    told, finished = [], []
    with Workers(count, progress=lambda *message: told.append(message)) as workers:
        workers.run(units, lambda unit: finished.append(unit.label))
        time.sleep(0.2)
    assert [path.read_text() for path in paths] == ["new", "kept", "new"]
    assert sorted(finished) == ["a", "c"]
    assert sorted(told) == [("a: writing", 1, 1), ("c: writing", 1, 1)]


@pytest.mark.parametrize("count", [1, 2])
def test_a_failing_unit_raises_its_error(tmp_path, count):
    with pytest.raises(ValueError, match="this unit fails"), Workers(count) as workers:
        workers.run([Unit("bad", fail, tmp_path / "x")])
