"""Tuning on files: foreign folders stay as they are, and the same command goes on where it was stopped."""

import os
from dataclasses import replace
from functools import partial

import pytest

from holdfast import __version__
from holdfast.artifacts import load_json, load_patch, save_mask
from holdfast.intervene.method_options import MethodOptions
from holdfast.intervene.options import AdaptOptions, EnhanceOptions
from holdfast.intervene.train.preserve import replay
from holdfast.made_by import count_shared, prompts_entry
from holdfast.models.load import load_model
from holdfast.pipeline import suites, tuning
from holdfast.pipeline.options import EnhanceFiles, SafetyFiles, SuiteFiles
from holdfast.prompts.sources import load_exchanges, load_prompts
from tests.intervene.given import random_mask
from tests.tiny import make_llama, make_tokenizer

ADAPT = AdaptOptions(iterations=2, batch_size=2, learning_rate=1e-3, checkpoint_every=1)
ENHANCE = EnhanceOptions(iterations=2, batch_size=2, learning_rate=1e-3, checkpoint_every=1)


@pytest.fixture
def inputs(tmp_path):
    """A model and exchanges, in files."""
    make_llama().save_pretrained(tmp_path / "tiny")
    make_tokenizer().save_pretrained(tmp_path / "tiny")
    (tmp_path / "task.jsonl").write_text('{"prompt": "how do i mend it ?", "response": "sorry , no"}\n')
    (tmp_path / "harmless.jsonl").write_text('{"prompt": "how do i paint it ?", "response": "sorry"}\n')
    return tuple(str(tmp_path / name) for name in ("tiny", "task.jsonl", "harmless.jsonl"))


def adapt(inputs, out, options=ADAPT, **how):
    return tuning.adapt_model(inputs[0], None, inputs[1], out, options=options, **how)


def files_of(inputs):
    return EnhanceFiles(refusals=inputs[1], harmless=inputs[2])


def enhance(inputs, out, options=ENHANCE, **how):
    return tuning.enhance_model(inputs[0], None, files_of(inputs), out, options=options, **how)


def test_near_duplicates_of_what_calibrates_are_counted_and_told_of(tmp_path, caplog):
    made_from, judging = tmp_path / "made.csv", tmp_path / "judging.csv"
    made_from.write_text("prompt\nhow do i mend the sail of my kite\n")
    judging.write_text(
        "prompt\nhow do i mend the sail of my kite today\nhow tall is the old red barn\nhow tall is the old red shed\n"
    )
    counts = {"prompts": 3, "near_calibration": 1, "repeats": 1}
    expected = {"near_duplicates": 1, "evaluation_prompts": 3, "threshold": 0.5, "sets": {"harmless": counts}}
    assert suites.refuse_overlap([str(made_from)], SuiteFiles(harmless=str(judging))) == expected
    assert "1 of 3 evaluation prompts are near duplicates of calibration prompts" in caplog.text
    caplog.clear()
    judging.write_text("prompt\nhow tall is the barn\n")
    assert suites.refuse_overlap([str(made_from)], SuiteFiles(harmless=str(judging)))["near_duplicates"] == 0
    assert not caplog.text


def test_a_suite_asks_every_prompt_of_a_measure_once_and_those_of_its_side(tmp_path, caplog):
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_text("prompt,label\nbreak it,unsafe\nmend it,safe\n")
    second.write_text("goal\nsteal it\nbreak it\n")
    suite = suites.load_suite(SuiteFiles(harmful=(str(first), str(second)), borderline=str(first)))
    assert [prompt.prompt for prompt in suite.harmful] == ["break it", "steal it"]
    assert [prompt.prompt for prompt in suite.borderline] == ["mend it"]
    assert [prompt.kind for prompt in (*suite.harmful, *suite.borderline)] == ["harmful", "harmful", "borderline"]
    assert "the harmful sets: prompts that repeat another one are left out, so that each counts once: 1." in caplog.text


@pytest.mark.parametrize("other", ["harmless", "borderline"])
def test_the_same_prompts_as_harmful_and_as_harmless_are_refused(tmp_path, other):
    first, more, apart = tmp_path / "first.txt", tmp_path / "more.txt", tmp_path / "apart.txt"
    first.write_text("break it\nsteal it\n")
    more.write_text("Break it.\nsteal it\nmend it\n")
    apart.write_text("break it\nmend it\n")
    for path in (first, more):
        with pytest.raises(ValueError, match=f"the harmful and the {other} prompts are the same, 2 in both sets; give"):
            suites.load_suite(SuiteFiles.model_validate({"harmful": (str(first),), other: str(path)}))
    suites.load_suite(SuiteFiles.model_validate({"harmful": (str(first),), other: str(apart)}))


def test_one_file_may_calibrate_with_one_side_and_judge_with_the_other(tmp_path):
    both = str(tmp_path / "both.csv")
    (tmp_path / "both.csv").write_text("prompt,label\nbreak it,unsafe\nmend it,safe\n")
    assert suites.refuse_overlap([both], SuiteFiles(borderline=both), both)["near_duplicates"] == 0
    with pytest.raises(ValueError, match="1 evaluation prompts are also calibration prompts"):
        suites.refuse_overlap([both], SuiteFiles(harmful=(both,)), both)


@pytest.mark.parametrize("tune", [adapt, enhance])
@pytest.mark.parametrize("theirs", ["training/thesis.txt", "model/model.safetensors", "patch.safetensors"])
def test_a_foreign_folder_is_refused_and_kept(inputs, tmp_path, tune, theirs):
    file = tmp_path / "out" / theirs
    file.parent.mkdir(parents=True)
    file.write_text("years of work")
    with pytest.raises(ValueError, match="not empty and holds no run"):
        tune(inputs, tmp_path / "out")
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == [file]
    assert file.read_text() == "years of work"


def test_a_training_folder_of_somebody_else_is_not_removed(inputs, tmp_path):
    options = ADAPT.model_copy(update={"checkpoint_every": 0})
    claimed = partial(adapt, inputs, tmp_path / "out", options)
    claimed()
    (tmp_path / "out/training").mkdir()
    (tmp_path / "out/training/thesis.txt").write_text("years of work")
    claimed()
    assert (tmp_path / "out/training/thesis.txt").is_file()


@pytest.mark.parametrize("tune", [adapt, enhance])
def test_a_tuning_that_was_stopped_goes_on_from_its_checkpoint(inputs, tmp_path, tune):
    def stop(label, done, total):
        if label in ("adapting", "enhancing") and done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(inputs, tmp_path / "out", progress=stop)
    steps = []
    resumed = tune(inputs, tmp_path / "out", progress=lambda label, done, total: steps.append((label, done)))
    assert ("adapting", 0) not in steps
    assert ("enhancing", 0) not in steps
    assert resumed.losses == pytest.approx(tune(inputs, tmp_path / "whole").losses), "that of the first step was kept"
    assert load_json(tmp_path / "out/losses.json") == {"losses": list(resumed.losses)}
    assert (tmp_path / "out/result.json").is_file()
    assert not (tmp_path / "out/training").exists()


def test_a_checkpoint_of_a_version_that_kept_no_losses_leaves_the_first_one_missing(inputs, tmp_path):
    def stop(label, done, total):
        if label == "adapting" and done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        adapt(inputs, tmp_path / "out", progress=stop)
    (tmp_path / "out/training/losses.json").unlink()
    assert len(adapt(inputs, tmp_path / "out").losses) == 1


def test_a_folder_of_other_options_or_exchanges_is_refused(inputs, tmp_path):
    adapt(inputs, tmp_path / "out")
    with pytest.raises(ValueError, match=r"which differ in options \(seed is 1 here and 0 there\); choose"):
        adapt(inputs, tmp_path / "out", options=ADAPT.model_copy(update={"seed": 1}))
    (tmp_path / "task.jsonl").write_text('{"prompt": "how do i mend it ?", "response": "safe"}\n')
    with pytest.raises(ValueError, match="which differ in task"):
        adapt(inputs, tmp_path / "out")


@pytest.mark.parametrize("tune", [adapt, enhance])
def test_training_that_breaks_the_weights_saves_no_checkpoint(inputs, tmp_path, tune):
    given = {adapt: ADAPT, enhance: ENHANCE}[tune]
    # One step, so that no later loss can tell: the weights overflow after it.
    options = given.model_copy(
        update={"iterations": 1, "learning_rate": 1e38, "warmup_share": 0.0, "weight_decay": 10.0}
    )
    with pytest.raises(ValueError, match=r"weights that are not finite .* lower learning_rate=1e\+38"):
        tune(inputs, tmp_path / "out", options.model_copy(update={"checkpoint_every": 0}))
    assert not (tmp_path / "out").exists()
    tune(inputs, tmp_path / "out")


@pytest.mark.parametrize("umask", [0o022, 0o027])
def test_every_file_has_the_permissions_that_the_umask_gives(inputs, tmp_path, umask):
    before = os.umask(umask)
    try:
        mask = random_mask(load_model(inputs[0]).model)
        save_mask(tmp_path / "mask.safetensors", mask)
        mask = tmp_path / "mask.safetensors"
        tuning.enhance_model(inputs[0], mask, files_of(inputs), tmp_path / "out", options=ENHANCE)
    finally:
        os.umask(before)
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"patch.safetensors", "model.safetensors", "result.json"}
    assert {path.stat().st_mode & 0o777 for path in files} == {0o666 & ~umask}


def test_a_patch_says_model_mask_prompts_and_version(inputs, tmp_path):
    loaded = load_model(inputs[0])
    mask = replace(random_mask(loaded.model, 0.1), made_by={"selector": "top", "scores": {"objective": "mix"}})
    save_mask(tmp_path / "mask.safetensors", mask)
    mask_file, files = tmp_path / "mask.safetensors", files_of(inputs)
    tuning.enhance_model(inputs[0], mask_file, files, tmp_path / "out", options=ENHANCE)
    patch = load_patch(tmp_path / "out/patch.safetensors")
    made_by = dict(patch.made_by)
    assert made_by["model"] == {"name": inputs[0], "fingerprint": loaded.base}
    assert (made_by["mask"], made_by["holdfast"]) == (mask.made_by, __version__)
    exchanges = load_exchanges(inputs[1])
    assert made_by["refusals"] == prompts_entry(exchanges, inputs[1])
    assert made_by["harmless"] == prompts_entry(load_exchanges(inputs[2]), inputs[2])
    assert count_shared(made_by, exchanges) == 1


def test_a_harmless_set_that_plays_no_part_is_not_recorded(inputs, tmp_path):
    save_mask(tmp_path / "mask.safetensors", random_mask(load_model(inputs[0]).model, 0.1))
    refusals_alone = ENHANCE.model_copy(update={"harmless_share": 0.0})
    files = files_of(inputs)
    tuning.enhance_model(inputs[0], tmp_path / "mask.safetensors", files, tmp_path / "out", options=refusals_alone)
    made_by = load_patch(tmp_path / "out/patch.safetensors").made_by
    assert made_by["harmless"] is None
    assert made_by["refusals"]["name"] == inputs[1]


def test_a_single_step_of_set_at_its_defaults_changes_nothing_and_says_so(inputs, tmp_path, caplog):
    one = EnhanceOptions(iterations=1, batch_size=2)
    assert enhance(inputs, tmp_path / "out", one).entries_changed == 0
    assert "no weight changed in 1 training steps" in caplog.text


def test_own_answers_lie_beside_the_checkpoint_and_are_made_once(tmp_path, monkeypatch):
    options = AdaptOptions(iterations=2, batch_size=4, learning_rate=1e-3)
    files = SafetyFiles(safety="testbed:harmful_calibration#first=4", held_out=("testbed:harmful_seen",))
    how = {"options": options, "method": "replay", "safety": files}
    how |= {"method_options": MethodOptions(answer_tokens=12, safety_share=0.5)}
    task, out = "testbed:task_train#first=4", tmp_path / "out"

    def stop(label, done, total):
        if label == "adapting":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tuning.adapt_model("testbed:aligned", None, task, out, progress=stop, **how)
    answers = load_json(out / "own_answers.json")["answers"]
    assert [answer["prompt"] for answer in answers] == [prompt.prompt for prompt in load_prompts(files.safety)]
    assert all(answer["response"] for answer in answers)
    monkeypatch.setattr(replay, "generate", None)
    result = tuning.adapt_model("testbed:aligned", None, task, out, **how)
    assert result.entries_changed > 0
    assert load_json(out / "settings.json")["method"] == "replay"
    with pytest.raises(ValueError, match="method options"):
        tuning.adapt_model("testbed:aligned", None, task, out, **how | {"method_options": MethodOptions()})
