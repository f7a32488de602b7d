"""A command that imports for long says so, and one that tells something else, or is quick, does not."""

import sys
import time

import pytest

from holdfast.commands.console import shown_progress
from holdfast.commands.waiting import libraries_announced

LINE = "loading libraries\n"


@pytest.fixture(autouse=True)
def not_loaded_yet(monkeypatch):
    monkeypatch.delitem(sys.modules, "transformers")
    monkeypatch.setattr("holdfast.commands.waiting.SECONDS", 0.02)


def test_silence_while_libraries_are_loaded_is_explained_once(capsys):
    with libraries_announced():
        time.sleep(0.2)
    assert capsys.readouterr().err == LINE


def test_a_command_that_tells_something_or_ends_is_not_loading(capsys):
    with libraries_announced(), shown_progress() as progress:
        progress("scoring", 9, 9)
        time.sleep(0.1)
    with libraries_announced():
        pass
    time.sleep(0.1)
    assert capsys.readouterr().err == "scoring 9/9\n"


def test_a_command_without_heavy_libraries_is_not_loading(capsys, monkeypatch):
    monkeypatch.delitem(sys.modules, "torch")
    with libraries_announced():
        time.sleep(0.1)
    assert capsys.readouterr().err == ""


def test_a_process_that_has_them_is_not_loading(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", sys)
    with libraries_announced():
        time.sleep(0.1)
    assert capsys.readouterr().err == ""
