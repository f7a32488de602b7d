"""A folder of another run is refused before anything is loaded, and told what differs."""

import json
import subprocess
import sys

import pytest

import holdfast
from holdfast.cli import call
from holdfast.intervene.options import AdaptOptions
from holdfast.pipeline.run.config import RunConfig
from holdfast.pipeline.run.config_template import to_toml
from holdfast.pipeline.run.other_run import refuse_other_inputs, refuse_other_settings
from holdfast.pipeline.setting_differences import differences
from tests.pipeline.small import small_config


@pytest.fixture
def begun(tmp_path) -> RunConfig:
    """The config of a run that was begun in OUT."""
    config = small_config(tmp_path)
    (tmp_path / "out").mkdir()
    manifest = {
        "config": config.model_dump(mode="json"),
        "versions": {"holdfast": holdfast.__version__},
        "inputs": {"model": "0", "prompts": "1"},
    }
    (tmp_path / "out/manifest.json").write_text(json.dumps(manifest))
    return config


def test_the_settings_that_differ_are_named_and_workers_are_none(begun, tmp_path):
    refuse_other_settings(begun, tmp_path / "out")
    refuse_other_settings(begun.model_copy(update={"workers": 7}), tmp_path / "out")
    refuse_other_settings(begun, tmp_path / "new")
    other = begun.model_copy(update={"adapt": AdaptOptions(learning_rate=1e-3), "task": None})
    told = r"another run: task is not set here and \".*task_train.jsonl\" there, .* and 2 more; choose another folder"
    with pytest.raises(ValueError, match=told):
        refuse_other_settings(other, tmp_path / "out")
    with pytest.raises(ValueError, match=r"another run: seed is 1 here and 0 there; choose another folder"):
        refuse_other_settings(begun.model_copy(update={"seed": 1}), tmp_path / "out")


def test_another_version_is_named_in_place_of_the_settings_that_it_may_have(begun, tmp_path, monkeypatch):
    monkeypatch.setattr(holdfast, "__version__", "9.9")
    with pytest.raises(ValueError, match=r"another run: holdfast is \"9.9\" here and \"[^,]+\" there; choose"):
        refuse_other_settings(begun.model_copy(update={"seed": 1}), tmp_path / "out")


def test_inputs_of_other_contents_are_named(begun, tmp_path):
    refuse_other_inputs({"model": "0", "prompts": "1"}, tmp_path / "out")
    with pytest.raises(ValueError, match="another run: 'prompts' has other contents; choose another folder"):
        refuse_other_inputs({"model": "0", "prompts": "2"}, tmp_path / "out")


def test_the_command_says_so_in_one_line(begun, tmp_path, capsys):
    (tmp_path / "run.toml").write_text(to_toml(begun.model_copy(update={"seed": 1})))
    assert call(["run", str(tmp_path / "run.toml"), "--out", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "seed is 1 here and 0 there" in line


def test_the_look_loads_no_torch():
    code = "import sys, holdfast.pipeline.run.other_run; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_was_not_set_equals_what_an_earlier_version_did_not_know_and_hashes_are_not_shown():
    assert list(differences({"a": None, "b": {"c": 1}}, {"b": {"c": 1}, "d": None})) == []
    assert list(differences({"a": {"b": ["0" * 64]}}, {"a": {"b": ["1" * 64]}})) == ["a.b has other contents"]
    assert list(differences({"a": []}, {"a": ["top"]})) == ['a is [] here and ["top"] there']
