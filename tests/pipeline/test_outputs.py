"""Folders and files for results: what somebody else put there is refused and kept."""

import json

import pytest

from holdfast.pipeline.outputs import claim_folder, refuse_existing


def test_a_folder_of_equal_settings_goes_on_and_of_others_is_refused(tmp_path):
    claim_folder(tmp_path / "out", {"seed": 0})
    (tmp_path / "out/result.json").write_text("{}")
    claim_folder(tmp_path / "out", {"seed": 0})
    with pytest.raises(ValueError, match="made with another seed"):
        claim_folder(tmp_path / "out", {"seed": 1})


def test_a_folder_in_which_nothing_was_made_yet_takes_other_settings(tmp_path):
    claim_folder(tmp_path / "out", {"seed": 0})
    claim_folder(tmp_path / "out", {"seed": 1})
    assert json.loads((tmp_path / "out/settings.json").read_text()) == {"seed": 1}


@pytest.mark.parametrize("settings", [{}, {"editor.fontSize": 12}, {"seed": 0, "more": 1}])
def test_settings_of_something_else_are_kept(tmp_path, settings):
    mark = tmp_path / "settings.json"
    mark.write_text(json.dumps(settings))
    with pytest.raises(ValueError, match="made with another"):
        claim_folder(tmp_path, {"seed": 0})
    assert json.loads(mark.read_text()) == settings


@pytest.mark.parametrize("refuse", [refuse_existing, lambda path: claim_folder(path, {})])
def test_a_file_above_the_output_is_named(tmp_path, refuse):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"cannot be written: .*file' is a file"):
        refuse(tmp_path / "file/below/out")
