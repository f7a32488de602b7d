"""A script never reads a damaged evaluation by accident, and `holdfast show` says of one what is wrong."""

import json
from dataclasses import asdict, replace

import pytest

import holdfast
from holdfast.artifacts import save_evaluation
from holdfast.cli import call
from tests.evaluate.constructed import aligned
from tests.evaluate.logs.programs.making import EXAMPLES
from tests.evaluate.test_consistent import whole


@pytest.fixture
def edited(tmp_path):
    """A file in which one number was changed by hand."""
    content = asdict(whole())
    content["over_refusal"]["value"] = 0.0
    (tmp_path / "edited.json").write_text(json.dumps(content))
    return tmp_path / "edited.json"


def test_a_file_that_contradicts_itself_is_refused_unless_the_check_is_left_out(edited):
    with pytest.raises(ValueError, match=r"edited.json' contradicts itself: over_refusal is 0\.0, and 2 of its 20 ans"):
        holdfast.load_evaluation(edited)
    assert holdfast.load_evaluation(str(edited), check=False).over_refusal.value == 0.0


def test_whole_files_of_this_version_and_of_earlier_ones_are_loaded(tmp_path):
    older = replace(whole(), losses=(), perplexity_rate=None)
    older = replace(older, answers=tuple(replace(one, refusal=None, coherence=None) for one in older.answers))
    for name, good in (("new", whole()), ("old", older)):
        save_evaluation(tmp_path / name, good)
        assert holdfast.load_evaluation(tmp_path / name) == good
    content = json.loads((tmp_path / "old").read_text())
    for later in ("made_by", "losses", "perplexity_rate"):
        del content[later]
    (tmp_path / "first").write_text(json.dumps(content))
    assert holdfast.load_evaluation(tmp_path / "first").asr == whole().asr


def test_a_damaged_file_is_shown_with_a_warning(edited, capsys):
    assert call(["show", str(edited)]) == 0
    told = capsys.readouterr()
    assert "holdfast: warning: " in told.err
    assert "edited.json' contradicts itself: over_refusal is 0.0" in told.err
    assert "over-refusal" in told.out
    save_evaluation(edited, whole())
    assert call(["show", str(edited)]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("log", ["lm_eval/before", "inspect/before.json", "garak/before.report.jsonl"])
def test_a_log_of_another_program_is_told_to_be_compared_by_its_path(log):
    sentence = r" is a log of \S+, not an evaluation; give the paths of both logs to `compare`\.$"
    with pytest.raises(ValueError, match=sentence):
        holdfast.load_evaluation(EXAMPLES / log)
    with pytest.raises(ValueError, match=sentence):
        holdfast.compare(aligned(), EXAMPLES / log)
