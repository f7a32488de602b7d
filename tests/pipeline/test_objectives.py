"""What scoring refuses of models and judges, before a weight is scored."""

import pytest
import torch

from holdfast.models.load import load_model
from holdfast.models.options import GenerateOptions
from holdfast.objective.material import refuse_unscored
from holdfast.objective.registry import names
from holdfast.outcomes import Outcome
from holdfast.pipeline import scoring
from holdfast.pipeline.objectives import refuse_contradictions
from holdfast.pipeline.options import ScoringOptions
from tests.pipeline.small import small_config

ESTIMATORS = names(lambda record: record.judge)


def score(folder, objective, **given):
    model, judge = given.pop("model", "testbed:aligned"), given.pop("judge", "testbed:guard")
    generation = given.pop("generation", GenerateOptions(max_new_tokens=2))
    options = ScoringOptions(objective=objective, **given)
    prompts = small_config(folder).calibration.harmful
    scoring.score_safety(model, judge, prompts, folder / "scores.safetensors", options=options, generation=generation)


@pytest.mark.parametrize("objective", ESTIMATORS)
def test_a_judge_that_says_neither_safe_nor_unsafe_is_refused(objective, tmp_path):
    with pytest.raises(
        ValueError, match=r"no verdict on two exchanges that are easy to judge \(the judge answered nei"
    ):
        score(tmp_path, objective, judge="testbed:aligned")
    assert not (tmp_path / "scores.safetensors").exists()


@pytest.mark.parametrize("objective", ["judge_gradient", "mix"])
def test_a_model_with_one_nan_weight_is_refused(objective, tmp_path):
    loaded = load_model("testbed:aligned")
    with torch.no_grad():
        loaded.model.get_input_embeddings().weight[:, 0] = torch.nan
    loaded.model.save_pretrained(tmp_path / "broken")
    loaded.tokenizer.save_pretrained(tmp_path / "broken")
    with pytest.raises(ValueError, match="the model's logits are not finite for"):
        score(tmp_path, objective, model=str(tmp_path / "broken"))


@pytest.mark.parametrize(
    ("objective", "given", "sentence"),
    [
        ("judge_gradient", {"method": "esy"}, "unknown score 'esy'; did you mean 'esi'"),
        ("mix", {"reduction": "mean"}, "mix is a sum over tokens"),
        ("policy_gradient", {"generation": GenerateOptions(temperature=0.0)}, "samples at temperature 1, got .*=0;"),
        ("control_variate", {"generation": GenerateOptions(temperature=0.7)}, "samples at temperature 1, got .*=0.7"),
        ("mix", {"generation": GenerateOptions(num_samples=1)}, "got num_samples=1; give 2 or more"),
    ],
)
def test_a_contradiction_is_refused_before_anything_is_loaded(objective, given, sentence, tmp_path):
    with pytest.raises(ValueError, match=sentence):
        score(tmp_path, objective, model="/no/such/model", **given)
    assert not (tmp_path / "scores.safetensors.unfinished").exists()


def test_a_reduction_that_a_likelihood_cannot_have_is_refused(tmp_path):
    options = ScoringOptions(objective="utility", reduction="sum")
    with pytest.raises(ValueError, match="utility is a mean over tokens; leave the reduction out, or set it to mean"):
        scoring.score_likelihood("/no/such/model", "testbed:questions", tmp_path / "scores", options=options)


def test_an_objective_without_a_judge_is_not_scored_with_one(tmp_path):
    with pytest.raises(ValueError, match="objective utility uses no judge, but got a judge"):
        score(tmp_path, "utility", model="/no/such/model")


def test_settings_that_are_left_out_contradict_nothing():
    for objective in ESTIMATORS:
        refuse_contradictions(ScoringOptions(objective=objective), GenerateOptions(max_new_tokens=1))
    refuse_contradictions(ScoringOptions(), GenerateOptions(temperature=0.0, num_samples=1))


def test_too_few_prompts_for_halves_are_refused_before_anything_is_loaded(tmp_path):
    (tmp_path / "one.jsonl").write_text('{"prompt": "hello", "response": "hello"}\n' * 2)
    files = ("/no/such/model", str(tmp_path / "one.jsonl"), tmp_path / "scores.safetensors")
    with pytest.raises(ValueError, match="at least 2 distinct prompts, got 1"):
        scoring.score_likelihood(*files)
    with pytest.raises(ValueError, match="at least 2 distinct prompts, got 1"):
        scoring.score_safety(files[0], "/no/such/judge", *files[1:])
    with pytest.raises(ValueError, match="unknown score 'esy'"):
        scoring.score_likelihood(*files, options=ScoringOptions(objective="utility", method="esy"))


def test_a_judge_may_have_no_verdict_on_half_of_the_responses():
    judged, unjudged = Outcome("safe", 1.0), Outcome.unscored("neither verdict")
    refuse_unscored([judged, unjudged])
    with pytest.raises(ValueError, match=r"no verdict on 2 of 3 responses \(neither verdict\)"):
        refuse_unscored([judged, unjudged, unjudged])
