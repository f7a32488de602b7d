"""What scoring refuses of models and judges, before a weight is scored."""

import pytest
import torch

from holdfast.models.generate import GenerateOptions
from holdfast.models.load import load_model
from holdfast.pipeline import scoring
from holdfast.pipeline.config import ScoringOptions
from holdfast.pipeline.objectives import refuse_unscored
from holdfast.values import Outcome
from tests.pipeline.small import small_config

ESTIMATORS = ("judge_gradient", "policy_gradient", "control_variate", "mix")


def score(folder, objective, **given):
    model, judge = given.pop("model", "testbed:aligned"), given.pop("judge", "testbed:guard")
    generation = given.pop("generation", GenerateOptions(max_new_tokens=2))
    options = ScoringOptions(objective=objective, **given)
    prompts = small_config(folder).calibration.harmful
    scoring.score_safety(model, judge, prompts, folder / "scores.safetensors", options=options, generation=generation)


@pytest.mark.parametrize("objective", ESTIMATORS)
def test_a_judge_that_says_neither_safe_nor_unsafe_is_refused(objective, tmp_path):
    with pytest.raises(ValueError, match=r"no verdict on \d+ of \d+ responses \(the judge answered neither verdict"):
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


def test_a_judge_may_have_no_verdict_on_half_of_the_responses():
    judged, unjudged = Outcome("safe", 1.0), Outcome.unscored("neither verdict")
    refuse_unscored([judged, unjudged])
    with pytest.raises(ValueError, match=r"no verdict on 2 of 3 responses \(neither verdict\)"):
        refuse_unscored([judged, unjudged, unjudged])
