"""Notices of other libraries reach nobody who runs a command, and everybody who asks for them or imports holdfast."""

import logging
import os
import sys
import warnings

import pytest

from holdfast.cli import call
from holdfast.commands.notices import SETTINGS, quiet_libraries, warnings_named


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
    before, level = dict(os.environ), logging.getLogger().level
    assert warned(["sites", "testbed:aligned"]) == []
    assert caplog.records == []
    assert noisy.items() >= SETTINGS.items()
    assert "HF_HUB_DISABLE_PROGRESS_BARS" not in noisy
    assert (dict(os.environ), logging.getLogger().level) == (before, level)


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
    with quiet_libraries():
        logging.getLogger("holdfast").setLevel(logging.WARNING)
        logging.getLogger("holdfast.models").warning("the model's context is short")
    assert [record.message for record in caplog.records] == ["the model's context is short"]


def test_a_logged_warning_begins_as_a_commands_own():
    last = logging.lastResort
    assert last is not None
    ours, others = (
        logging.LogRecord(name, logging.WARNING, "", 0, "%s", ("told",), None) for name in ("holdfast.a", "b")
    )
    with warnings_named():
        assert (last.format(ours), last.format(others)) == ("holdfast: warning: told", "told")
    assert last.format(ours) == "told"
