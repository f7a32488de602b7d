"""Scoring on files: stopped anywhere and called again it ends in the same bits; with other settings it is refused."""

from dataclasses import replace

import pytest
import torch

from holdfast.artifacts import load_json, load_scores
from holdfast.models.load import load_model
from holdfast.models.options import GenerateOptions
from holdfast.pipeline import given_exchanges, scoring, scoring_sources
from holdfast.pipeline.options import ScoringOptions
from holdfast.pipeline.saving import save_checkpoint
from holdfast.pipeline.scoring_spec import ScoringSpec
from holdfast.select.stability import stability
from tests.pipeline.small import small_config

MIX = ScoringOptions(objective="mix", token_budget=512)
GENERATION = GenerateOptions(max_new_tokens=2, num_samples=2, token_budget=128)


def score(config, out, progress=lambda *step: None, **changes):
    given = {"options": MIX, "generation": GENERATION, "progress": progress, **changes}
    return scoring.score_safety("testbed:aligned", "testbed:guard", config.calibration.harmful, out, **given)


def stop_at(label, share):
    def tell(said, done, total):
        if said.startswith(label) and done >= share * total:
            raise KeyboardInterrupt

    return tell


@pytest.mark.parametrize(
    ("label", "share"),
    [
        ("answering", 0.5),
        pytest.param("scoring weights", 0.3, marks=pytest.mark.slow),
        ("scoring weights", 0.8),
    ],
)
def test_a_scoring_that_was_stopped_goes_on_to_the_same_bits(label, share, tmp_path):
    config = small_config(tmp_path)
    whole = score(config, tmp_path / "whole.safetensors")
    out = tmp_path / "scores.safetensors"
    with pytest.raises(KeyboardInterrupt):
        score(config, out, stop_at(label, share))
    assert not out.exists()
    told = []
    found = score(config, out, lambda *step: told.append(step))
    for name, entries in whole.entries.items():
        assert entries.equal(found.entries[name])
    assert load_scores(out).made_by == whole.made_by
    assert not (tmp_path / "scores.safetensors.unfinished").exists()
    for name in ("first_half", "second_half"):
        first, second = (load_scores(tmp_path / f"{stem}_{name}.safetensors") for stem in ("whole", "scores"))
        assert all(first.entries[one].equal(second.entries[one]) for one in first.entries)


def test_what_was_answered_before_the_stop_is_kept(tmp_path, monkeypatch):
    config, out = small_config(tmp_path), tmp_path / "scores.safetensors"
    with pytest.raises(KeyboardInterrupt):
        score(config, out, stop_at("scoring weights", 0))
    monkeypatch.setattr("holdfast.models.generate._answer_batch", None)  # would fail if it were called
    score(config, out)


def test_a_scoring_of_other_settings_does_not_go_on_from_this_one(tmp_path):
    config, out = small_config(tmp_path), tmp_path / "scores.safetensors"
    with pytest.raises(KeyboardInterrupt):
        score(config, out, stop_at("scoring weights", 0))
    with pytest.raises(ValueError, match="which differ in seed"):
        score(config, out, seed=1)


@pytest.mark.parametrize("name", ["a_responses.jsonl", "a_first_half.safetensors", "a_second_half.safetensors"])
def test_a_file_that_would_be_overwritten_is_refused_before_the_work(tmp_path, name):
    config, theirs = small_config(tmp_path), tmp_path / name
    theirs.write_text("years of work")
    told = []
    with pytest.raises(ValueError, match=f"{name}' exists already"):
        score(config, tmp_path / "a.safetensors", lambda *step: told.append(step))
    assert theirs.read_text() == "years of work"
    assert told == []


def test_a_scoring_that_was_stopped_between_its_files_goes_on(tmp_path, monkeypatch):
    config, out = small_config(tmp_path), tmp_path / "scores.safetensors"
    save_scores = scoring.save_scores

    def stopped(path, scores):
        save_scores(path, scores)
        raise KeyboardInterrupt

    monkeypatch.setattr(scoring, "save_scores", stopped)
    with pytest.raises(KeyboardInterrupt):
        score(config, out)
    assert not out.exists()
    monkeypatch.setattr(scoring, "save_scores", save_scores)
    score(config, out)
    assert out.is_file()


def test_an_edited_judge_of_the_same_name_does_not_go_on_from_this_one(tmp_path):
    config, judge = small_config(tmp_path), tmp_path / "guard"
    out = tmp_path / "scores.safetensors"
    loaded = load_model("testbed:guard")
    save_checkpoint(judge, loaded)
    given = ("testbed:aligned", str(judge), config.calibration.harmful, out)
    with pytest.raises(KeyboardInterrupt):
        scoring.score_safety(*given, options=MIX, generation=GENERATION, progress=stop_at("scoring weights", 0))
    with torch.no_grad():
        next(loaded.model.parameters())[0, 0] += 1
    save_checkpoint(judge, loaded)
    with pytest.raises(ValueError, match="which differ in judge"):
        scoring.score_safety(*given, options=MIX, generation=GENERATION)


def test_a_scoring_that_was_refused_leaves_nothing_in_the_way_of_a_better_one(tmp_path):
    config, out = small_config(tmp_path), tmp_path / "scores.safetensors"
    files = ("testbed:aligned", "testbed:aligned", config.calibration.harmful, out)  # its judge is none
    with pytest.raises(ValueError, match="no verdict"):
        scoring.score_safety(*files, options=MIX, generation=GENERATION)
    assert [path.name for path in tmp_path.glob("scores*")] == []
    score(config, out)
    assert out.is_file()


def test_the_curve_of_growing_halves_is_written_beside_the_scores(tmp_path):
    config, out = small_config(tmp_path), tmp_path / "scores.safetensors"
    harmful = "testbed:harmful_calibration#first=18"
    config = config.model_copy(update={"calibration": config.calibration.model_copy(update={"harmful": harmful})})
    options = ScoringOptions(objective="judge_gradient", token_budget=512, convergence=True)
    told = []
    score(config, out, lambda *step: told.append(step), options=options, generation=GenerateOptions(max_new_tokens=1))
    curve = load_json(scoring.convergence_of(out))["points"]
    labels = [label for label, done, total in told if done >= total]
    assert labels.index("convergence: scoring weights") > labels.index("scoring weights"), "a second pass has its name"
    assert [point["num_prompts"] for point in curve] == [8, 9]
    first, second = map(load_scores, scoring.files_of(out)[1:])
    assert curve[-1]["iou"] == pytest.approx(stability(first, second).iou, abs=1e-3)  # sums in another order
    assert curve[-1]["random_iou"] == pytest.approx(0.01 / 1.99, rel=1e-3)


def test_scores_are_replaced_with_the_files_beside_them_only_where_that_is_wanted(tmp_path):
    out, options = tmp_path / "scores.safetensors", ScoringOptions(objective="utility")
    first = scoring.score_likelihood("testbed:aligned", "testbed:questions#first=4", out, options=options)
    stale = [scoring.convergence_of(out), scoring.responses_of(out)]
    for path in stale:
        path.write_text("of the first scores")
    with pytest.raises(ValueError, match="exists already"):
        scoring.score_likelihood("testbed:aligned", "testbed:questions#first=2", out, options=options)
    with pytest.raises(ValueError, match="nowhere"):
        scoring.score_likelihood("testbed:nowhere", "testbed:questions", out, options=options, overwrite=True)
    assert load_scores(out) == first, "a call that fails replaces nothing"
    second = scoring.score_likelihood(
        "testbed:aligned", "testbed:questions#first=2", out, options=options, overwrite=True
    )
    assert load_scores(out) == second != first
    assert [path.exists() for path in stale] == [False, False]


def test_scores_of_neurons_are_replaced_where_that_is_wanted(tmp_path):
    out = tmp_path / "neurons.safetensors"
    for count in (2, 3):
        found = scoring.score_neurons(
            "testbed:aligned",
            f"testbed:refusals#first={count}",
            out,
            method="gradient_times_activation",
            overwrite=count == 3,
        )
    assert load_scores(out) == found


def test_a_curve_of_one_size_is_left_out_with_a_warning_before_the_model_is_loaded(tmp_path, caplog):
    config, out = small_config(tmp_path), tmp_path / "scores.safetensors"
    judged, likely = MIX.model_copy(update={"convergence": True}), ScoringOptions(objective="utility", convergence=True)
    nowhere, sentence = str(tmp_path / "nowhere"), "needs 18 distinct prompts or more, got 8; it is left out"
    with pytest.raises(ValueError, match="nowhere"):
        scoring.score_safety(nowhere, "testbed:guard", config.calibration.harmful, out, options=judged)
    assert sentence in caplog.text
    caplog.clear()
    scoring.score_likelihood("testbed:aligned", config.calibration.utility, out, options=likely)
    assert sentence in caplog.text
    assert not scoring.convergence_of(out).exists()


def test_few_prompts_are_warned_of_once_and_not_with_a_built_in_model(tmp_path, caplog):
    config, out = small_config(tmp_path), tmp_path / "scores.safetensors"
    for model in (str(tmp_path / "nowhere"), "testbed:nowhere"):
        with pytest.raises(ValueError, match="nowhere"):
            scoring.score_safety(model, "testbed:guard", config.calibration.harmful, out)
    sentence = "only 8 distinct prompts are scored, and other prompts would give other scores; take at least 64"
    assert [record.levelname for record in caplog.records if sentence in record.getMessage()] == ["WARNING"]
    assert caplog.text.count("distinct prompts are scored") == 1


def test_enough_prompts_are_not_warned_of(tmp_path, caplog):
    with pytest.raises(ValueError, match="nowhere"):
        scoring.score_likelihood(str(tmp_path / "nowhere"), "testbed:refusals#first=64", tmp_path / "scores")
    assert "distinct prompts" not in caplog.text


@pytest.mark.parametrize(
    ("judge", "sentence"),
    [
        ("testbed:guard", "shard-judge spreads the judge over several processes, and there is one"),
        (
            "api:judge",
            "spreads the weights of a judge over processes, and the judge 'api:judge' has none here",
        ),
    ],
)
def test_a_judge_is_not_sharded_where_that_means_nothing(tmp_path, judge, sentence):
    config = small_config(tmp_path)
    with pytest.raises(ValueError, match=sentence):
        scoring.score_safety(
            "testbed:aligned",
            judge,
            config.calibration.harmful,
            tmp_path / "scores.safetensors",
            options=ScoringOptions(shard_judge=True),
        )
    with pytest.raises(ValueError, match="objective utility uses none; leave it out"):
        scoring.score_likelihood(
            "testbed:aligned",
            config.calibration.utility,
            tmp_path / "scores.safetensors",
            options=ScoringOptions(objective="utility", shard_judge=True),
        )


def test_an_exchange_that_is_repeated_scores_once(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(given_exchanges, "refuse_too_few", seen.append)
    monkeypatch.setattr(scoring, "load_model", lambda *_, **__: pytest.fail("far enough"))
    (tmp_path / "exchanges.jsonl").write_text('{"prompt": "a", "response": "b"}\n' * 2)
    with pytest.raises(pytest.fail.Exception, match="far enough"):
        scoring.score_likelihood(
            "none",
            str(tmp_path / "exchanges.jsonl"),
            tmp_path / "scores.safetensors",
            options=ScoringOptions(objective="utility"),
        )
    assert seen == [["a"]]


def test_only_the_harmful_side_of_a_file_scores_safety(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(scoring_sources, "refuse_too_few", seen.append)
    monkeypatch.setattr(scoring_sources, "load_judge", lambda *_, **__: pytest.fail("far enough"))
    (tmp_path / "both.csv").write_text("prompt,label\nmend it,safe\nbreak it,unsafe\n")
    with pytest.raises(pytest.fail.Exception, match="far enough"):
        scoring.score_safety(
            "testbed:aligned", "testbed:guard", str(tmp_path / "both.csv"), tmp_path / "scores.safetensors"
        )
    assert seen == [["break it"]]


@pytest.mark.parametrize("method", ["magnitude", "random"])
def test_a_method_without_objective_and_prompts_needs_and_records_none(method, tmp_path):
    out = tmp_path / "scores.safetensors"
    spec = ScoringSpec(
        model="testbed:aligned", prompts="unread", out=out, options=ScoringOptions(method=method), seed=3
    )
    made_by = scoring.score_model(spec).scores.made_by
    assert not made_by.keys() & {"objective", "judge", "prompts", "num_items", "responses"}
    assert made_by["method"] == method
    other = scoring.score_model(replace(spec, out=tmp_path / "other.safetensors", seed=4)).scores
    equal = [entries.equal(other.entries[name]) for name, entries in load_scores(out).entries.items()]
    assert all(equal) if method == "magnitude" else not any(equal)


def test_wanda_reads_the_models_own_responses_without_a_judge(tmp_path):
    config, out = small_config(tmp_path), tmp_path / "scores.safetensors"
    spec = ScoringSpec(
        model="testbed:aligned",
        prompts=config.calibration.harmful,
        out=out,
        options=ScoringOptions(method="wanda"),
        generation=GenerateOptions(max_new_tokens=2),
    )
    made_by = scoring.score_model(spec).scores.made_by
    assert not made_by.keys() & {"objective", "judge"}
    assert made_by["prompts"]["name"] == config.calibration.harmful
    assert (tmp_path / "scores_responses.jsonl").read_text().count("\n") == made_by["responses"]["count"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"options": ScoringOptions(method="magnitude", convergence=True)}, "uses no prompts, so more prompts"),
        ({"options": ScoringOptions(method="random"), "generation": GENERATION}, "makes no responses here"),
        ({"options": ScoringOptions(method="wanda", reduction="sum")}, "reduces no objective"),
    ],
)
def test_options_that_a_method_without_objective_cannot_use_are_refused(changes, says, tmp_path):
    with pytest.raises(ValueError, match=says):
        scoring.score_model(ScoringSpec(model="none", prompts="none", out=tmp_path / "scores.safetensors", **changes))


def test_a_model_and_prompts_that_are_swapped_are_named(tmp_path):
    prompts, model = tmp_path / "refusals.jsonl", tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    prompts.write_text('{"prompt": "a", "response": "b"}')
    for first, second, said in ((prompts, model, "is a file of prompts"), ("none", model, "is the folder of a model")):
        with pytest.raises(ValueError, match=rf"{said}, and was given as the .* swapped\?"):
            scoring.score_likelihood(str(first), str(second), tmp_path / "scores.safetensors")
