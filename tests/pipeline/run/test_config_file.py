"""What is wrong with a config file is said in one sentence that names the setting."""

import pytest

from holdfast.pipeline.bakeoff_config import BakeoffConfig
from holdfast.pipeline.run.claiming import _made_from
from holdfast.pipeline.run.config import RunConfig
from holdfast.pipeline.run.config_file import load_config, read_config
from holdfast.pipeline.run.layout import masks_of

COMPLETE = {
    "model": "testbed:aligned",
    "unaligned": "testbed:unaligned",
    "judge": "testbed:guard",
    "calibration": {"harmful": "a.jsonl", "utility": "b.jsonl"},
    "suite": {"harmful": ["c.jsonl"]},
    "refusals": {"refusals": "d.jsonl", "harmless": "e.jsonl"},
    "task": "f.jsonl",
}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model = ", "is not TOML: "),
        ("fraction = 5%", r"is not TOML: .*; give 0\.05 in place of 5%\.$"),
        ("judge = 'x'", r"model is missing; add it\. \(Also wrong: calibration, suite"),
        ("judge = 'x'\nmodel = 'y'\nselectors = ['top', 3]", r"\(Also wrong: .*item 2 of selectors"),
        ("modle = 'x'", "there is no setting modle; did you mean 'model'\\? known: model, judge, "),
    ],
)
def test_a_broken_config_is_one_sentence(text, message, tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        load_config(path, BakeoffConfig)
    assert "\n" not in str(error.value)


def test_a_missing_config_is_told_without_the_systems_number(tmp_path):
    with pytest.raises(ValueError, match=r"none.toml' does not exist; `holdfast init .*none.toml` writes"):
        load_config(tmp_path / "none.toml", RunConfig)


def test_a_config_with_a_byte_order_mark_is_read(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text("\ufeffdraws = true\n", encoding="utf-8")
    with pytest.raises(ValueError, match="model is missing"):
        load_config(path, BakeoffConfig)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"adapt": {"itertions": 3}}, "there is no setting adapt.itertions; did you mean 'iterations'\\?"),
        ({"adapt": {"lora": {"rnk": 3}}}, "adapt.lora.rnk; did you mean .*known: rank, alpha, targets"),
        ({"adapt": {"iterations": 0}}, "adapt.iterations is 0; give 1 or more"),
        ({"methods": {"ema_decay": 0.9}}, "ema_decay is an option of method ema, and no arm uses it"),
        ({"methods": {"safety_share": 1}}, "methods.safety_share is 1; give a number below 1"),
        ({"adapt_arms": ["mixed"], "refusals": None, "unaligned": None}, "mixes refusals into the task, and there are"),
        ({"workers": True}, "workers is True; input should be a number, not true or false"),
        ({"verify": {"ratios": [0.5, True]}}, r"verify.ratios is \[0.5, True\]; input should be a number"),
        ({"verify": {"limit": False}}, "verify.limit is False; input should be a number"),
        ({"enhance_objective": "x"}, "enhance_objective is 'x'; input should be 'judge_gradient' or 'refusal_like"),
        (
            {"enhance_objective": "refusal_likelyhood"},
            r"is '.*'; did you mean 'refusal_likelihood'\? known: judge_grad",
        ),
        ({"enhance_arms": ["top", "randm"]}, r"item 2 of enhance_arms is 'randm'; did you mean 'random'\? known: top"),
        ({"adapt": {"freeze": ["x"]}}, "item 1 of adapt.freeze is 'x'; input should be 'matrix', 'router', "),
        ({"score": {"method": "snipp"}}, "unknown score 'snipp'; did you mean 'snip'"),
        ({"enhance": {"beta": 0.5}}, "beta is a setting of objective dpo"),
        ({"calibration": {"utility": "b.jsonl"}}, "calibration.harmful is missing; add it"),
        (
            {"calibration": {"harmful": "a.jsonl"}, "adapt_arms": ["safety_only"]},
            "adapt_arms has safety_only, .* no utility scores; give calibration.utility, or leave safety_only out",
        ),
    ],
)
def test_a_wrong_setting_is_named_with_its_place_its_value_and_what_is_allowed(setting, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        read_config(COMPLETE | setting, RunConfig, tmp_path / "config.toml")


SET_ALONE = {
    "model": "a",
    "suite": {"harmful": ["c.jsonl"]},
    "refusals": COMPLETE["refusals"],
    "enhance_objective": "refusal_likelihood",
    "score": {"objective": "refusal_likelihood"},
    "verify": {"ratios": []},
}


def test_a_run_that_scores_sets_refusals_alone_has_no_calibration_prompts_for_the_leak_check(tmp_path):
    config = read_config(SET_ALONE, RunConfig, tmp_path)
    assert (config.calibration.harmful, config.harmful) == (None, "d.jsonl")
    assert _made_from(config) == ["d.jsonl", "e.jsonl"]
    with pytest.raises(ValueError, match=r"calibration.harmful has no effect: refusal_likelihood scores .* Leave cali"):
        read_config(SET_ALONE | {"calibration": {"harmful": "b.jsonl"}}, RunConfig, tmp_path)


@pytest.mark.parametrize(
    "other",
    [
        {"verify": {"ratios": [0.5]}},
        {"task": "f.jsonl", "adapt_arms": ["plain"]},
        {"enhance_objective": "judge_gradient"},
        {"unaligned": "b"},
        {"refusals": None, "enhance_objective": "judge_gradient"},
    ],
)
def test_a_run_that_scores_anything_else_needs_its_harmful_prompts(other, tmp_path):
    with pytest.raises(ValueError, match=r"calibration.harmful is missing; add it: harmful prompts"):
        read_config(SET_ALONE | other, RunConfig, tmp_path)
    given = {"calibration": {"harmful": "b.jsonl"}}
    assert read_config(SET_ALONE | given | other, RunConfig, tmp_path).harmful == "b.jsonl"


def test_set_alone_needs_neither_utility_scores_nor_its_model_twice(tmp_path):
    given = {"model": "a", "calibration": {"harmful": "b"}, "suite": {}, "refusals": COMPLETE["refusals"]}
    config = read_config(given | {"score": {"objective": "refusal_likelihood"}}, RunConfig, tmp_path)
    assert config.unaligned == "a"
    assert config.enhance_arms == ("top", "random", "bottom", "refusals_alone", "full")
    assert masks_of(config) == ("top", "random", "bottom")
    whole = read_config(COMPLETE, RunConfig, tmp_path)
    assert (whole.unaligned, masks_of(whole)) == (
        "testbed:unaligned",
        ("top", "safety_only", "random", "bottom"),
    )
    assert "safety_only" in whole.enhance_arms
    bakeoff = {"model": "a", "judge": "j", "calibration": {"harmful": "b"}, "suite": {}}
    with pytest.raises(ValueError, match="selector safety_only needs utility scores; give calib"):
        read_config(bakeoff, BakeoffConfig, tmp_path)
    assert read_config(bakeoff | {"selectors": ["top"]}, BakeoffConfig, tmp_path).calibration.utility is None


def test_arms_of_other_methods_learn_from_the_prompts_that_scored_and_from_none_that_evaluate():
    arms = ["mixed", "replay", "protected_replay", "ema"]
    config = RunConfig(**COMPLETE, adapt_arms=arms, methods={"ema_decay": 0.9, "safety_share": 0.2})
    given = {name: (files.safety, files.held_out) for name in arms for files in [config.safety_of(name)]}
    suite = ("c.jsonl",)
    assert given == {
        "mixed": ("d.jsonl", suite),
        "replay": ("a.jsonl", suite),
        "protected_replay": ("a.jsonl", suite),
        "ema": (None, ()),
    }
    assert config.methods.only(["ema_decay"]).changed == ["ema_decay"]
