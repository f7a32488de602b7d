"""Notices of other libraries reach nobody who runs a command, and everybody who asks for them or imports holdfast."""

import logging
import os
import sys
import warnings

import pytest

from holdfast.cli import call
from holdfast.commands.notices import SETTINGS, logging_named, quiet_libraries
from holdfast.notes import NOTE


@pytest.fixture
def noisy(monkeypatch):
    """A command within which libraries warn and log, and what they found in the environment."""
    found = {}

    def list_nothing(model):
        warnings.warn("this is deprecated", FutureWarning, stacklevel=1)
        logging.getLogger("trl.trainer").warning("a notice")
        found.update(os.environ)
        return []

    monkeypatch.setattr("holdfast.models.sites.list_sites", list_nothing)
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "warnoptions", [])
    return found


def warned(arguments):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert call(arguments) == 0
    return [str(one.message) for one in caught if one.category is FutureWarning]


def test_a_command_shows_no_warning_and_no_log_of_a_library_and_leaves_the_process_as_it_was(noisy, caplog):
    before, levels = dict(os.environ), [logging.getLogger(name).level for name in ("", "holdfast")]
    assert warned(["sites", "testbed:aligned"]) == []
    assert caplog.records == []
    assert noisy.items() >= SETTINGS.items()
    assert "HF_HUB_DISABLE_PROGRESS_BARS" not in noisy
    assert dict(os.environ) == before
    assert [logging.getLogger(name).level for name in ("", "holdfast")] == levels


def test_quiet_hides_downloads_too(noisy):
    assert call(["--quiet", "sites", "testbed:aligned"]) == 0
    assert noisy["HF_HUB_DISABLE_PROGRESS_BARS"] == "1"


def test_whoever_asks_for_warnings_gets_them(noisy, monkeypatch):
    monkeypatch.setattr(sys, "warnoptions", ["default"])
    monkeypatch.setenv("TRANSFORMERS_VERBOSITY", "info")
    assert warned(["sites", "testbed:aligned"]) == ["this is deprecated"]
    assert noisy["TRANSFORMERS_VERBOSITY"] == "info"


def test_a_command_that_fails_leaves_the_process_as_it_was():
    before = dict(os.environ)
    with pytest.raises(KeyError), quiet_libraries(downloads=True):
        raise KeyError
    assert dict(os.environ) == before


def test_our_own_warnings_are_shown(caplog):
    caplog.set_level(logging.WARNING, "holdfast")
    with quiet_libraries():
        logging.getLogger("holdfast.models").warning("the model's context is short")
    assert [record.message for record in caplog.records] == ["the model's context is short"]


def record(name, level, text="told"):
    return logging.LogRecord(name, level, "", 0, "%s", (text,), None)


def test_what_is_logged_begins_as_a_commands_own():
    last = logging.lastResort
    assert last is not None
    ours, others = (record(name, logging.WARNING) for name in ("holdfast.a", "b"))
    with logging_named():
        assert (last.format(ours), last.format(others)) == ("holdfast: warning: told", "told")
        assert last.format(record("holdfast.a", NOTE)) == "holdfast: note: told"
    assert last.format(ours) == "told"


def test_a_command_says_a_sentence_once_and_leaves_the_programs_logging_as_it_was(capsys):
    last = logging.lastResort
    assert last is not None
    before = last.level, list(last.filters)
    with logging_named():
        for level in (NOTE, NOTE, logging.WARNING):
            last.handle(record("holdfast.a", level))
    assert (last.level, list(last.filters)) == before
    assert capsys.readouterr().err.splitlines() == ["holdfast: note: told", "holdfast: warning: told"]
