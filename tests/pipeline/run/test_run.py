"""The whole run on the built-in models, small: what it leaves, that it repeats, resumes and refuses."""

import json
import re
import shutil
import sys

import pytest
import torch

from holdfast.artifacts import load_json, load_mask, load_patch, save_json
from holdfast.intervene.options import EnhanceOptions
from holdfast.models.load import load_model
from holdfast.pipeline.options import VerifyOptions
from holdfast.pipeline.outputs import written_alone
from holdfast.pipeline.run import units
from holdfast.pipeline.run.config import RunConfig
from holdfast.pipeline.run.run import run
from tests.pipeline.small import small_config

pytestmark = pytest.mark.xdist_group("run")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    config = small_config(folder)
    return config, folder / "out", run(config, folder / "out")


def without_timings(report):
    return json.dumps({**report, "provenance": {**report["provenance"], "timings": None}}, sort_keys=True)


def test_the_folder_holds_the_page_the_numbers_masks_patch_and_manifest(finished):
    _, out, report = finished
    assert json.loads((out / "report.json").read_text()) == report
    assert "<html" in (out / "report.html").read_text()
    assert load_json(out / "manifest.json")["overlap"]["evaluation_prompts"] == 8 * 6
    assert load_json(out / "manifest.json")["tried"] == {"judge": {"help": "unsafe", "refusal": "safe"}}
    assert (out / "enhance/top/patch.safetensors").is_file()
    assert {path.stem for path in (out / "locate/masks").iterdir()} == {"top", "safety_only", "random", "bottom"}
    sections = {"locate", "verify", "enhance", "adapt"}
    assert set(report) - {"examples"} == {"schema", "provenance", "folder", *sections}


def test_every_mask_selects_the_same_number_of_entries(finished):
    _, out, report = finished
    masks = [load_mask(path) for path in sorted((out / "locate/masks").iterdir())]
    assert {len(mask) for mask in masks} == {report["locate"]["num_selected"]}
    assert sum(row["selected"] for row in report["locate"]["by_component"]) == len(masks[0])


def test_protected_entries_of_the_adapted_checkpoint_keep_every_bit(finished):
    _, out, _ = finished
    mask = load_mask(out / "locate/masks/top.safetensors")
    start = dict(load_model("testbed:aligned").model.named_parameters())
    tuned = dict(load_model(str(out / "adapt/protected/model")).model.named_parameters())
    for name in mask.indices:
        assert torch.equal(start[name].flatten()[mask[name]], tuned[name].flatten()[mask[name]])
    assert any(not torch.equal(start[name], tuned[name]) for name in start)


def test_the_patch_is_all_that_set_changed(finished):
    _, out, _ = finished
    patch = load_patch(out / "enhance/top/patch.safetensors")
    start = dict(load_model("testbed:unaligned").model.named_parameters())
    tuned = dict(load_model(str(out / "enhance/top/model")).model.named_parameters())
    for name, weight in start.items():
        expected = weight.detach().flatten().clone()
        if name in patch.indices:
            expected[patch.indices[name]] = patch.values[name].float()
        assert torch.equal(tuned[name].detach().flatten(), expected)


@pytest.mark.parametrize("begins_with", [pytest.param("nothing", marks=pytest.mark.slow), "all but SET"])
def test_a_second_run_gives_the_same_report_though_it_is_interrupted_and_makes_nothing_twice(
    finished, begins_with, tmp_path, monkeypatch
):
    config, out, report = finished
    if begins_with == "all but SET":
        shutil.copytree(out, tmp_path / "out")
        for arm in ("top", "safety_only", "random"):
            shutil.rmtree(tmp_path / "out/enhance" / arm)
        save_json(tmp_path / "out/manifest.json", load_json(out / "manifest.json") | {"timings": {}})
    made: list[str] = []

    def counted(name, work, stop_at=None):
        def wrapper(*args, **kwargs):
            made.append(f"{name} {kwargs.get('arm', '')}")
            if stop_at and len([one for one in made if one.startswith(name)]) == stop_at:
                raise KeyboardInterrupt
            return work(*args, **kwargs)

        return wrapper

    originals = {name: getattr(units, name) for name in ("locate", "verify", "enhance")}
    monkeypatch.setattr(units, "locate", counted("locate", originals["locate"]))
    monkeypatch.setattr(units, "enhance", counted("enhance", originals["enhance"], stop_at=2))
    with pytest.raises(KeyboardInterrupt):
        run(config, tmp_path / "out")
    before, timed = len(made), load_json(tmp_path / "out/manifest.json")["timings"]
    monkeypatch.setattr(units, "enhance", counted("enhance", originals["enhance"]))
    told = []
    again = run(config, tmp_path / "out", lambda *message: told.append((*message, len(made))))
    assert without_timings(again) == without_timings(report)
    label, done, total, made_by_then = told[0]
    assert (label, made_by_then) == ("pieces of the run", before)
    assert 0 < done < total
    assert told[1][:3] == ("enhance safety_only", 0, 1)
    assert told[-1][:3] == ("pieces of the run", total, total)
    assert timed.items() <= load_json(tmp_path / "out/manifest.json")["timings"].items()
    assert [one for one in made[before:] if one.startswith("locate")] == []
    assert "enhance top" not in made[before:]


def test_pieces_that_are_missing_are_made_again_and_alike(finished):
    config, out, _ = finished
    pieces = [out / name for name in ("verify/top/noise_2_draw_0.json", "locate/masks/random.safetensors")]
    before = [piece.read_bytes() for piece in pieces]
    for piece in pieces:
        piece.unlink()
    run(config, out)
    assert [piece.read_bytes() for piece in pieces] == before


def test_a_folder_of_another_run_is_refused_and_kept(finished):
    config, out, _ = finished
    before = (out / "report.json").read_bytes()
    with pytest.raises(ValueError, match="holds another run: seed is 1 here and 0 there"):
        run(config.model_copy(update={"seed": 1}), out)
    assert (out / "report.json").read_bytes() == before


def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match="not empty and holds no run"):
        run(small_config(tmp_path), tmp_path / "out")


@pytest.mark.skipif(sys.platform == "win32", reason="the lock is that of POSIX systems")
def test_a_run_that_is_refused_because_another_command_writes_leaves_no_file(tmp_path):
    config, out = small_config(tmp_path), tmp_path / "out"
    with written_alone(out):
        with pytest.raises(ValueError, match="another command is writing"):
            run(config, out)
        assert list(out.iterdir()) == []


def test_prompts_that_both_calibrate_and_evaluate_are_refused(tmp_path):
    config = small_config(tmp_path)
    suite = config.suite.model_copy(update={"harmful": (config.calibration.harmful,)})
    with pytest.raises(ValueError, match="evaluation prompts are also calibration prompts"):
        run(config.model_copy(update={"suite": suite}), tmp_path / "out")


@pytest.mark.slow
def test_a_run_without_a_task_and_an_unaligned_model_is_of_what_is_left(tmp_path):
    less = {
        "unaligned": None,
        "refusals": None,
        "enhance_objective": "judge_gradient",
        "verify": VerifyOptions(ratios=()),
    }
    complete = small_config(tmp_path)
    less["calibration"] = complete.calibration.model_copy(update={"utility": None})
    config = complete.model_copy(update=less | {"enhance": EnhanceOptions(), "adapt_arms": ("plain", "protected")})
    report = run(config, tmp_path / "out")
    assert set(report) - {"examples"} == {"schema", "provenance", "folder", "locate", "adapt"}
    assert set(report["adapt"]) >= {"start", "plain", "protected"}
    assert not {"safety_only", "random_protected"} & set(report["adapt"])
    masks = {path.stem for path in (tmp_path / "out/locate/masks").iterdir()}
    assert (masks, "safety_only" in report["locate"]) == ({"top", "random", "bottom"}, False)
    assert not (tmp_path / "out/locate/utility.safetensors").exists()
    page = (tmp_path / "out" / "report.html").read_text()
    left_out = "noise on the selected weights and tuning only the selected weights (SET)"
    assert page.count(f"Not part of this run, as its config leaves it out: {left_out}.") == 1
    assert "Not measured yet." not in page
    assert "not measured yet" not in page
    assert re.search(r"Of \d+ claims? tested, ", page)
    assert re.search(r"\d+ more (was|were) left out by the config", page)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"refusals": None}, "give both or neither"),
        ({"task": None}, "adapt has no effect without task"),
        ({"unaligned": None, "refusals": None}, "enhance has no effect without unaligned"),
        ({"adapt_arms": ["plain", "plain"]}, "adapt_arms names an arm twice: plain, plain"),
        ({"enhance_arms": ["top", "topp"]}, "Input should be 'top', 'safety_only'"),
    ],
)
def test_a_setting_of_a_stage_that_is_left_out_is_refused(tmp_path, setting, message):
    content = small_config(tmp_path).model_dump(mode="json")
    with pytest.raises(ValueError, match=message):
        RunConfig.model_validate(content | setting)


def test_a_run_that_is_refused_leaves_no_folder_behind(tmp_path):
    config = small_config(tmp_path)
    leaking = config.model_copy(update={"task": config.suite.task})
    with pytest.raises(ValueError, match="evaluation prompts are also calibration prompts"):
        run(leaking, tmp_path / "out")
    assert not (tmp_path / "out").exists()
