"""A job that a scheduler starts again: the same command ends well, and another one is refused."""

import json
import os
from pathlib import Path
from shutil import copytree

import pytest

from holdfast.cli import call
from holdfast.commands import once
from holdfast.testbed import model_path
from tests.commands.made import write_scores


@pytest.fixture
def select(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_scores(tmp_path / "scores.safetensors")
    return lambda *options: call(["select", "scores.safetensors", "--out", "mask.safetensors", *options])


def test_the_same_command_says_that_its_result_exists(select, capsys):
    assert select("--exist-ok") == 0
    before = Path("mask.safetensors").read_bytes()
    capsys.readouterr()
    assert select("--exist-ok") == 0
    assert "mask.safetensors exists: the same command made it, so there is nothing to do." in capsys.readouterr().out
    assert select("--exist-ok", "-q") == 0
    assert capsys.readouterr().out == ""
    assert select("--exist-ok", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"out": "mask.safetensors", "existed": True}
    assert Path("mask.safetensors").read_bytes() == before
    assert json.loads(Path("mask.safetensors.command.json").read_text())["command"] == "select"


@pytest.mark.parametrize(
    ("before", "again", "sentence"),
    [
        (["--exist-ok"], [], "'mask.safetensors' exists already"),
        ([], ["--exist-ok"], "no 'mask.safetensors.command.json' says which command made it"),
        (
            ["--exist-ok"],
            ["--exist-ok", "--fraction", "0.02"],
            "was made by another command or from other files (options.options.fraction is 0.02 here and 0.01 there)",
        ),
    ],
)
def test_a_result_of_another_command_is_refused(select, capsys, before, again, sentence):
    assert select(*before) == 0
    capsys.readouterr()
    assert select(*again) == 2
    told = capsys.readouterr()
    assert sentence in told.err
    assert len(told.err.splitlines()) == 1


def test_a_result_from_files_that_changed_since_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    copytree(model_path("aligned"), "cand")
    Path("harmful.txt").write_text("steal a kite\n")
    words = ["evaluate", "cand", "--harmful", "harmful.txt#first=1", "--generate.max-new-tokens", "4", "--exist-ok"]
    words += ["--out", "a.json"]
    assert call(words) == call(words) == 0
    Path("harmful.txt").write_text("steal a kite\nrob a baker\n")
    capsys.readouterr()
    assert call(words) == 2
    assert "made by another command or from other files (contents.harmful.txt has other contents)" in _err(capsys)
    Path("harmful.txt").write_text("steal a kite\n")
    weights = Path("cand/model.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    assert call(words) == 2
    assert "(contents.cand/model.safetensors has other contents)" in _err(capsys)


@pytest.mark.parametrize("content", ["", "{}"])
def test_a_result_that_was_changed_since_is_refused(select, capsys, content):
    assert select("--exist-ok") == 0
    Path("mask.safetensors").write_text(content)
    assert select("--exist-ok") == 2
    assert "'mask.safetensors' was changed since the command made it; move it away, so that it is" in _err(capsys)


def _err(capsys):
    return capsys.readouterr().err


def test_large_files_are_told_apart_by_size_and_time(tmp_path, monkeypatch):
    monkeypatch.setattr(once, "LARGEST_READ", 3)
    file = tmp_path / "weights.bin"
    file.write_bytes(b"abcd")
    os.utime(file, ns=(5, 5))
    first = once.contents({"model": str(file)})
    os.utime(file, ns=(5, 6))
    assert once.contents({"model": str(file)}) != first
    os.utime(file, ns=(5, 5))
    assert once.contents({"inner": {"files": [f"{file}#first=2"]}}) == first


def test_without_it_nothing_is_recorded_and_a_mistake_records_nothing(select):
    assert select() == 0
    assert not Path("mask.safetensors.command.json").exists()
    Path("mask.safetensors").unlink()
    assert select("--exist-ok", "--fraction", "2") == 2
    assert not Path("mask.safetensors.command.json").exists()


def test_long_commands_end_well_before_they_load_anything(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    commands = {
        "evaluate testbed:aligned --harmful testbed:harmful_seen#first=2 --generate.max-new-tokens 4": "a.json",
        "adapt testbed:aligned --task testbed:task_train#first=4 --iterations 1 --batch-size 2": "tuned",
    }
    for command, out in commands.items():
        words = [*command.split(), "--out", out, "--exist-ok"]
        assert call(words) == 0
        with monkeypatch.context() as unloaded:
            unloaded.setattr("holdfast.models.load.load_model", None)
            assert call(words) == 0
        assert f"{out} exists: the same command made it" in capsys.readouterr().out
