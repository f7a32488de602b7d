"""Prompt files are checked by their first row, without a word of it and without fetching a public set."""

import pytest

from holdfast.prompts import locate
from holdfast.prompts.readable import require_readable


def test_a_missing_file_and_one_without_the_column_are_refused(tmp_path):
    (tmp_path / "wrong.csv").write_text("a,b\n1,2\n")
    for name, sentence in (("none.txt", "does not exist"), ("wrong.csv", "has no text under 'prompt'")):
        with pytest.raises(ValueError, match=sentence):
            require_readable("testbed:harmless", None, str(tmp_path / name))


def test_responses_are_asked_for_by_their_word(tmp_path):
    (tmp_path / "asked.txt").write_text("how ?\n")
    require_readable(str(tmp_path / "asked.txt"))
    with pytest.raises(ValueError, match="has no refusals"):
        require_readable(str(tmp_path / "asked.txt"), responses="refusals")
    require_readable("testbed:refusals#first=2", responses="refusals")


def test_a_public_set_is_not_fetched(monkeypatch):
    monkeypatch.setattr(locate, "fetch", lambda known: pytest.fail(f"{known} was fetched"))
    require_readable("harmbench", "xstest#first=3")


def test_nothing_is_reported(tmp_path, caplog):
    (tmp_path / "numbers.csv").write_text("prompt\n1\n2\n")
    require_readable(str(tmp_path / "numbers.csv"))
    assert not caplog.records


def test_every_row_is_read_where_responses_are_needed(tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"prompt": "add", "answer": "2"}\n{"prompt": "add"\n')
    with pytest.raises(ValueError, match=r"rows.jsonl:2 is not JSON"):
        require_readable(str(tmp_path / "rows.jsonl"), responses="responses")
    require_readable(str(tmp_path / "rows.jsonl#first=1"), responses="responses")


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(ValueError, match="is empty"):
        require_readable(str(tmp_path / "empty.txt"))
