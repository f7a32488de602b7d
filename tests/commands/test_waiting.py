"""A command that imports for long names the library, and one that tells something else, or is quick, does not."""

import importlib
import re
import sys
import time
from importlib.machinery import ModuleSpec
from types import SimpleNamespace

import pytest

from holdfast.commands.console import shown_progress
from holdfast.commands.waiting import libraries_announced, loading

LINE = re.compile(r"(loading the library vllm, 0 s so far\n)+")


@pytest.fixture(autouse=True)
def not_loaded_yet(monkeypatch):
    monkeypatch.delitem(sys.modules, "transformers", raising=False)
    monkeypatch.setattr("holdfast.commands.waiting.SECONDS", 0.02)
    monkeypatch.setattr("holdfast.commands.waiting.SECONDS_BETWEEN", 0.02)


@pytest.fixture
def importing(monkeypatch):
    """Python holds a library for a module whose code still runs."""
    spec = ModuleSpec("vllm", None)
    spec._initializing = True  # pyright: ignore[reportAttributeAccessIssue] - importlib sets it so
    monkeypatch.setitem(sys.modules, "vllm", SimpleNamespace(__spec__=spec))


@pytest.mark.usefixtures("importing")
def test_silence_while_a_library_is_loaded_is_explained_with_its_name(capsys):
    with libraries_announced():
        time.sleep(0.2)
    assert LINE.fullmatch(capsys.readouterr().err)


def test_python_marks_a_library_while_its_code_runs(tmp_path, monkeypatch):
    (tmp_path / "trl_of_a_test.py").write_text("from holdfast.commands.waiting import loading\nfound = loading()\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("holdfast.commands.waiting.SLOW", ("trl_of_a_test",))
    assert importlib.import_module("trl_of_a_test").found == "trl_of_a_test"
    assert loading() is None


def test_a_command_whose_libraries_are_loaded_is_not_loading(capsys):
    with libraries_announced():
        time.sleep(0.1)
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("importing")
def test_a_command_that_tells_something_or_ends_is_not_loading(capsys):
    with libraries_announced(), shown_progress() as progress:
        progress("scoring", 9, 9)
        time.sleep(0.1)
    with libraries_announced():
        pass
    time.sleep(0.1)
    assert capsys.readouterr().err == "scoring 9/9\n"


def test_a_command_without_heavy_libraries_is_not_loading(capsys, monkeypatch):
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    with libraries_announced():
        time.sleep(0.1)
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("importing")
def test_a_process_that_has_them_is_not_loading(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", sys)
    with libraries_announced():
        time.sleep(0.1)
    assert capsys.readouterr().err == ""
