"""A name that is misspelt is answered in one way, wherever it was given."""

import re
from pathlib import Path

import pytest

from holdfast.prompts.locate import find_source
from holdfast.spelling import meant
from holdfast.testbed import PROMPT_SETS, model_path, prompts_path

SOURCE = Path(__file__).parents[1] / "src"


def test_the_nearest_name_is_asked_for_and_all_are_listed():
    assert meant("utilty", ["asr", "utility"]) == "did you mean 'utility'? known: asr, utility"
    assert meant("zzz", ["asr", "utility"]) == "known: asr, utility"
    assert meant("zzz", ["acc", "exact_match,strict", "a b"]) == "known: acc, 'exact_match,strict', 'a b'"
    assert meant("asrr", iter(["asr"]), "`ls` lists them") == "did you mean 'asr'? `ls` lists them"
    with pytest.raises(ValueError, match=r"no built-in model is called 'alinged'; did you mean 'aligned'\? known: "):
        model_path("alinged")


USES = {"gsm8k_train": "training", "gsm8k_test": "evaluation", "refusals": "training"}


@pytest.mark.parametrize(
    ("name", "suggested"),
    [
        ("gsm8k", "'gsm8k_train' (training) or 'gsm8k_test' (evaluation)"),
        ("gsm8k_tst", "'gsm8k_test' (evaluation)"),
        ("refusal", "'refusals' (training)"),
        ("advbnch", "'advbench'"),
    ],
)
def test_a_name_that_may_be_of_training_or_test_data_is_answered_with_what_each_is_for(name, suggested):
    known = ["advbench", "gsm8k_train", "gsm8k_test", "refusals"]
    listed = "advbench, gsm8k_train (training), gsm8k_test (evaluation), refusals (training)"
    assert meant(name, known, uses=USES) == f"did you mean {suggested}? known: {listed}"


@pytest.mark.parametrize("name", ["harmful", "task_tune", "questions_train", "harmful_training"])
def test_no_built_in_set_is_suggested_without_what_it_is_for(name):
    with pytest.raises(ValueError, match=r"did you mean") as refused:
        prompts_path(name)
    suggested = re.findall(r"'(\w+)' \((\w+)\)", str(refused.value).partition("did you mean")[2].partition("?")[0])
    assert suggested
    assert all(PROMPT_SETS[one] == use for one, use in suggested)
    assert {use for _, use in suggested} - {"evaluation"}, "one that may be trained or scored on is among them"


def test_a_parameter_is_found_by_its_layer_and_component():
    names = [f"model.layers.{layer}.{part}.weight" for layer in (0, 10) for part in ("mlp.up_proj", "self_attn.v_proj")]
    for given in ("model.layers.0.v_proj", "layers.0.self_attn.v_proj", "model.layers.0.v_proj.weight"):
        assert meant(given, names, "all").startswith("did you mean 'model.layers.0.self_attn.v_proj.weight'?")
    assert "'model.layers.0.mlp.up_proj.weight'" in meant("model.layers.0.up_proi", names, "all"), "else the nearest"


def test_a_part_of_public_data_is_never_suggested_without_the_other():
    with pytest.raises(ValueError, match=r"did you mean 'gsm8k_train' \(training\) or 'gsm8k_test' \(evaluation\)\?"):
        find_source("gsm8k")


def test_nothing_else_looks_for_the_nearest_name():
    asking = [path.name for path in SOURCE.rglob("*.py") if "get_close_matches" in path.read_text(encoding="utf-8")]
    assert asking == ["spelling.py"]
