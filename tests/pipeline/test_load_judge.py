import json

import pytest
import torch
from transformers import LlamaConfig, LlamaForSequenceClassification

from holdfast.judge.classifier import ClassifierJudge
from holdfast.judge.guard import GuardJudge
from holdfast.judge.options import ClassifierOptions, GuardOptions
from holdfast.pipeline.judges import load_judge, refuse_idle
from holdfast.pipeline.options import JudgeOptions


@pytest.fixture
def guard_folder(tmp_path, guard_model, guard_tokenizer):
    guard_model.save_pretrained(tmp_path)
    guard_tokenizer.save_pretrained(tmp_path)
    return tmp_path


def set_in_config(folder, **changes):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


def test_a_causal_model_is_a_guard(guard_folder):
    judge = load_judge(str(guard_folder), JudgeOptions(guard=GuardOptions(min_verdict_mass=0)))
    assert isinstance(judge, GuardJudge)
    assert judge.judge(["hello"], ["ok"])[0].verdict is not None


def test_a_sequence_classifier_is_known_by_its_config(tmp_path, guard_tokenizer, guard_model):
    config = LlamaConfig(**{**guard_model.config.to_dict(), "id2label": {0: "safe", 1: "toxic"}})
    torch.manual_seed(0)
    LlamaForSequenceClassification(config).save_pretrained(tmp_path)
    guard_tokenizer.save_pretrained(tmp_path)
    judge = load_judge(str(tmp_path))
    assert isinstance(judge, ClassifierJudge)
    assert judge.judge(["hello"], ["ok"])[0].verdict is not None
    with pytest.raises(ValueError, match="has no label 'harmless', its labels are safe, toxic"):
        load_judge(str(tmp_path), JudgeOptions(classifier=ClassifierOptions(safe_labels=("harmless",))))


def test_a_model_that_is_neither_is_refused_in_one_sentence(guard_folder):
    set_in_config(guard_folder, architectures=["Qwen3ForGuardModel"])
    with pytest.raises(ValueError, match=r"is a Qwen3ForGuardModel; give a causal guard model"):
        load_judge(str(guard_folder))


def test_a_classifier_without_its_head_is_refused(guard_folder):
    set_in_config(guard_folder, architectures=["LlamaForSequenceClassification"])
    with pytest.raises(ValueError, match=r"lacks 1 weight that its config.json asks for, the first is score.weight"):
        load_judge(str(guard_folder))


def test_a_missing_judge_is_named(tmp_path):
    with pytest.raises(ValueError, match="does not exist; check the path"):
        load_judge(str(tmp_path / "none"))


def test_options_of_a_kind_that_no_judge_is_of_are_refused():
    guard = JudgeOptions(guard=GuardOptions(min_verdict_mass=0.1))
    refuse_idle(guard, "testbed:guard", "api:some/model", None)
    with pytest.raises(ValueError, match="--guard options, and no judge is a guard model"):
        refuse_idle(guard, "api:some/model")
    with pytest.raises(ValueError, match="--classifier options, and no judge is a sequence classifier"):
        refuse_idle(JudgeOptions(classifier=ClassifierOptions(safe_labels=("good",))), "testbed:guard")
    refuse_idle(JudgeOptions(), "no/such/model")  # nothing was given, so nothing is looked up
