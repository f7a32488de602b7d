"""Folders and files for results: what somebody else put there is refused and kept."""

import json
import multiprocessing
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from holdfast.pipeline.outputs import claim_folder, claimed, refuse_existing, unfinished, written_alone


def test_a_folder_of_equal_settings_goes_on_and_of_others_is_refused(tmp_path):
    claim_folder(tmp_path / "out", {"seed": 0})
    (tmp_path / "out/result.json").write_text("{}")
    claim_folder(tmp_path / "out", {"seed": 0})
    with pytest.raises(ValueError, match="which differ in seed"):
        claim_folder(tmp_path / "out", {"seed": 1})


def test_a_folder_in_which_nothing_was_made_yet_takes_other_settings(tmp_path):
    claim_folder(tmp_path / "out", {"seed": 0})
    claim_folder(tmp_path / "out", {"seed": 1})
    assert json.loads((tmp_path / "out/settings.json").read_text()) == {"seed": 1}


@pytest.mark.parametrize("settings", [{}, {"editor.fontSize": 12}, {"seed": 0, "more": 1}])
def test_settings_of_something_else_are_kept(tmp_path, settings):
    mark = tmp_path / "settings.json"
    mark.write_text(json.dumps(settings))
    with pytest.raises(ValueError, match="which differ in"):
        claim_folder(tmp_path, {"seed": 0})
    assert json.loads(mark.read_text()) == settings


@pytest.mark.parametrize("refuse", [refuse_existing, lambda path: claim_folder(path, {})])
def test_a_file_above_the_output_is_named(tmp_path, refuse):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"cannot be written: .*file' is a file"):
        refuse(tmp_path / "file/below/out")


def hold(folder: Path, told: Connection) -> None:
    """Writes to a folder until it is killed."""
    with written_alone(folder):
        told.send("held")
        time.sleep(600)


@pytest.mark.skipif(sys.platform == "win32", reason="the lock is that of POSIX systems")
def test_a_folder_is_refused_while_another_process_writes_to_it_and_free_when_that_was_killed(tmp_path):
    settings, out = {"seed": 0}, tmp_path / "out"
    for folder in (out, tmp_path / "scores.unfinished"):
        claim_folder(folder, settings)
        told, tells = multiprocessing.Pipe(duplex=False)
        holder = multiprocessing.get_context("fork").Process(target=hold, args=(folder, tells))
        holder.start()
        assert told.recv() == "held"
        claim = claimed(out, settings) if folder == out else unfinished(tmp_path / "scores", settings)
        with pytest.raises(ValueError, match=f"another command is writing to '{folder}'; wait"), claim:
            pass
        assert (folder / "settings.json").is_file()
        holder.kill()
        holder.join()
        with written_alone(folder):
            pass


@pytest.mark.skipif(sys.platform == "win32", reason="the lock is that of POSIX systems")
@pytest.mark.parametrize("settings", [{"seed": 0}, {"seed": 1}])
def test_a_refused_command_leaves_the_record_of_the_one_that_writes(tmp_path, settings):
    out = tmp_path / "out"
    with (
        claimed(out, {"seed": 0}),
        pytest.raises(ValueError, match="another command is writing"),
        claimed(out, settings),
    ):
        pass
    assert json.loads((out / "settings.json").read_text()) == {"seed": 0}


def test_a_lock_leaves_no_empty_folder(tmp_path):
    with written_alone(tmp_path / "out"):
        assert (tmp_path / "out").is_dir()
    assert not (tmp_path / "out").exists()


def go_wrong(out, *, after_work):
    with claimed(out, {"seed": 0}):
        if after_work:
            (out / "half").write_text("done")
        raise ValueError("too hot")


@pytest.mark.parametrize("after_work", [False, True])
def test_a_mistake_leaves_no_folder_in_which_nothing_was_made(tmp_path, after_work):
    with pytest.raises(ValueError, match="too hot"):
        go_wrong(tmp_path / "out", after_work=after_work)
    assert (tmp_path / "out").exists() == after_work
