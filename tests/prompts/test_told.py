import logging

from holdfast.notes import NOTE
from holdfast.prompts.told import sentences, tell


def test_what_is_told_is_logged_and_kept_once_where_it_is_asked_for(caplog):
    tell("one")
    tell("one", is_warning=True)
    assert [record.levelno for record in caplog.records] == [NOTE, logging.WARNING]
    assert [record.message for record in caplog.records] == ["one", "one"]
    caplog.clear()
    before = sentences.set([])
    try:
        for sentence in ("one", "two", "one"):
            tell(sentence)
        assert sentences.get() == ["one", "two"]
    finally:
        sentences.reset(before)
    assert [record.message for record in caplog.records] == ["one", "two"]
