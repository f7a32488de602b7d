from dataclasses import replace

import pytest
import torch

from holdfast import compare
from holdfast.evaluate.suite import Suite, evaluate
from holdfast.judge.refusal import RefusalJudge
from holdfast.models.fingerprints import fingerprint
from holdfast.models.load import LoadedModel
from holdfast.models.options import GenerateOptions
from holdfast.outcomes import Outcome
from holdfast.records import Prompt

SUITE = Suite(harmless=[Prompt("good a", "harmless"), Prompt("good b", "harmless")])
SHORT = GenerateOptions(max_new_tokens=2)


class OwnJudge:
    """A judge as a user writes one, without a fingerprint."""

    verdicts = frozenset(("safe", "unsafe"))

    def judge(self, prompts, responses):
        return [Outcome("safe") for _ in responses]


@pytest.fixture
def loaded(llama, tokenizer):
    return LoadedModel.of(llama, tokenizer)


def test_an_evaluation_records_the_present_weights_the_judges_and_the_settings(loaded):
    with torch.no_grad():
        loaded.model.get_parameter("model.norm.weight").mul_(2)
    made_by = evaluate(loaded, OwnJudge(), SUITE, SHORT).made_by
    assert made_by["model"] == {"name": "the model in memory", "fingerprint": fingerprint(loaded.model)}
    assert made_by["model"]["fingerprint"] != loaded.base  # edited since it was loaded
    assert made_by["judge"] == {"name": "OwnJudge", "fingerprint": None}
    assert made_by["refusal_judge"] == RefusalJudge().fingerprint
    assert made_by["generation"]["max_new_tokens"] == 2
    assert "token_budget" not in made_by["generation"]


def test_a_model_with_hooks_such_as_those_of_steering_has_no_fingerprint(loaded):
    hook = loaded.model.model.layers[0].register_forward_hook(lambda *_: None)
    assert evaluate(loaded, None, SUITE, SHORT).made_by["model"] == {"name": "the model in memory"}
    hook.remove()
    assert "fingerprint" in evaluate(loaded, None, SUITE, SHORT).made_by["model"]


def test_a_loop_over_draws_can_record_nothing(loaded, monkeypatch):
    monkeypatch.setattr("holdfast.evaluate.recorded.fingerprint", lambda model: pytest.fail("reads the weights"))
    assert evaluate(loaded, None, SUITE, SHORT, made_by={}).made_by == {}


def test_a_script_that_evaluates_the_same_weights_twice_can_gate_nothing(loaded):
    before = evaluate(loaded, None, SUITE, SHORT)
    after = evaluate(loaded, None, SUITE, GenerateOptions(max_new_tokens=2, token_budget=64))
    after = replace(after, over_refusal=after.over_refusal, groups={})
    with pytest.raises(ValueError, match="both evaluations are of the same weights"):
        compare(before, after, ["over_refusal > before + 0.5"])


def test_scripts_that_generate_differently_are_not_compared(loaded):
    before = evaluate(loaded, None, SUITE, SHORT)
    with torch.no_grad():
        loaded.model.get_parameter("model.norm.weight").mul_(2)
    after = evaluate(loaded, None, SUITE, GenerateOptions(max_new_tokens=3))
    with pytest.raises(ValueError, match="generation max_new_tokens was '2' and is '3'"):
        compare(before, after)


def test_a_script_and_a_command_are_compared_by_what_both_record(loaded):
    before = evaluate(loaded, OwnJudge(), SUITE, SHORT)
    with torch.no_grad():
        loaded.model.get_parameter("model.norm.weight").mul_(2)
    after = evaluate(loaded, OwnJudge(), SUITE, SHORT)
    recorded = {**after.made_by, "suite": {"harmless": ["abc"]}, "responses": {"context": None}}
    recorded["generation"] = {**recorded["generation"], "prefill": "Sure"}
    recorded["judge"] = {**recorded["judge"], "reading": {"max_tokens": 3}}
    assert compare(before, replace(after, made_by=recorded)).settings_known
    recorded["refusal_judge"] = "another"
    with pytest.raises(ValueError, match="refusal_judge was"):
        compare(before, replace(after, made_by=recorded))
