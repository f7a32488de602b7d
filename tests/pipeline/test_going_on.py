from pathlib import Path

import pytest

import holdfast
from holdfast.artifacts import load_json, save_json
from holdfast.cli import call
from holdfast.pipeline.going_on import command_of
from holdfast.pipeline.run import run as pipeline
from holdfast.pipeline.run.demo import demo_config
from holdfast.report.summary import gaps
from tests.pipeline.small import small_config
from tests.report.sample import read


def test_a_run_of_a_config_file_goes_on_with_that_file(tmp_path):
    command = command_of(small_config(tmp_path), Path("my run"), {"config_file": "set.toml"})
    assert command == "holdfast run set.toml --out 'my run'"


def test_a_run_that_names_no_file_has_a_place_for_it(tmp_path):
    assert command_of(small_config(tmp_path), Path("run"), {}) == "holdfast run CONFIG --out run"


@pytest.mark.parametrize(("seed", "words"), [(0, ""), (3, " --seed 3")])
def test_the_demo_goes_on_as_the_demo(seed, words):
    config = demo_config(seed)
    assert command_of(config, Path("demo"), {}) == f"holdfast demo --out demo{words}"
    fewer = config.model_copy(update={"workers": config.workers + 1})
    assert command_of(fewer, Path("demo"), {}) == f"holdfast demo --out demo{words}", "another number of cores"
    assert command_of(config, Path("d"), {"config_file": "demo.toml"}) == "holdfast run demo.toml --out d"


def test_an_unfinished_page_names_one_command():
    missing = {"missing": ["adapt plain"], "goes_on": "holdfast run set.toml --out run"}
    assert gaps(read(missing)) == (
        "This run is not complete: it stopped, it failed, or it still goes on. Missing: adapt plain. "
        "`holdfast run set.toml --out run` makes the missing pieces."
    )
    assert gaps(read({"missing": ["adapt plain"]})).endswith(
        " The command that started the run makes the missing pieces."
    )
    assert gaps(read({})) is None


def test_a_run_keeps_the_name_of_its_config_file(tmp_path, monkeypatch):
    nothing = {"require_usable": None, "refuse_shared_prompts": {}, "save_story": {}}
    for name, returned in {**nothing, "first_units": [], "second_units": []}.items():
        monkeypatch.setattr(pipeline, name, lambda *_, returned=returned: returned)
    monkeypatch.setattr(pipeline, "claim", lambda config, out: save_json(out / "manifest.json", {}))
    pipeline.run(small_config(tmp_path), tmp_path / "out", config_file=Path("set.toml"))
    assert load_json(tmp_path / "out/manifest.json")["config_file"] == "set.toml"
    pipeline.run(small_config(tmp_path), tmp_path / "other")
    assert "config_file" not in load_json(tmp_path / "other/manifest.json")


def test_the_command_line_tells_the_run_its_config_file(tmp_path, monkeypatch):
    given = []
    monkeypatch.setattr(pipeline, "run", lambda *arguments: given.append(arguments) or {"schema": 1})
    config = Path(holdfast.__file__).parent / "configs" / "set.toml"
    assert call(["run", str(config), "--out", str(tmp_path / "run")]) == 0
    assert given[0][3] == config
