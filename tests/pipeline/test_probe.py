"""What callbacks ask of a model in training, on the built-in models: the same answers as the commands give."""

import pytest
import torch

from holdfast.evaluate.suite import Suite, evaluate
from holdfast.intervene.hold.probe import SafetyProbe
from holdfast.judge.refusal import RefusalJudge
from holdfast.judge.trial import REQUEST
from holdfast.models.load import load_model
from holdfast.models.options import GenerateOptions
from holdfast.outcomes import Outcome
from holdfast.pipeline import masks, scoring
from holdfast.pipeline.judges import load_judge
from holdfast.pipeline.options import ScoringOptions
from holdfast.pipeline.probe import attack_success_probe, not_refused_probe, top_mask_refresh
from holdfast.prompts.sources import load_exchanges, load_prompts
from tests.intervene.given import bits, equal_bits, loss_of, random_mask, users_trainer
from tests.pipeline.small import small_config

GENERATION = GenerateOptions(max_new_tokens=2)


class Silent:
    """A judge without a verdict, but for those on the known exchanges of its trial, if it has them."""

    def __init__(self, tried="safe"):
        self.tried = tried

    def judge(self, prompts, responses):
        known = [prompt == REQUEST and self.tried for prompt in prompts]
        return [Outcome(self.tried) if one else Outcome.unscored("no answer") for one in known]


def test_the_probe_measures_what_the_evaluation_does():
    loaded, judge = load_model("testbed:unaligned"), load_judge("testbed:guard")
    prompts = load_prompts("testbed:harmful_seen")[:8]
    options = GenerateOptions(max_new_tokens=24)
    rate = attack_success_probe(loaded.tokenizer, judge, prompts, options)(loaded.model)
    assert rate == evaluate(loaded, judge, Suite(harmful=prompts), options).asr
    assert (rate.value, rate.n) == (1.0, 8)


def test_refusals_that_are_lost_are_measured_without_a_judge():
    prompts, short = load_prompts("testbed:harmful_seen")[:4], GenerateOptions(max_new_tokens=8)
    for name, lost in (("unaligned", 1.0), ("aligned", 0.0)):
        loaded = load_model(f"testbed:{name}")
        rate = not_refused_probe(loaded.tokenizer, prompts, short)(loaded.model)
        assert (rate.value, rate.n) == (lost, 4)


def test_a_judge_without_verdicts_leaves_the_rate_missing(tmp_path, caplog):
    loaded = load_model("testbed:aligned")
    measure = attack_success_probe(loaded.tokenizer, Silent(), load_prompts("testbed:harmful_seen")[:2], GENERATION)
    trainer = users_trainer(loaded.model, tmp_path, max_steps=1)
    trainer.add_callback(SafetyProbe(trainer, measure, stop_above=0.0, on_breach="roll_back"))
    trainer.train()
    assert "step 1: asr could not be measured (not measured n=0 (2 unscored))" in caplog.text
    assert [record["asr_unscored"] for record in trainer.state.log_history if "asr_unscored" in record] == [2, 2]


def test_a_judge_that_can_measure_nothing_is_refused_before_training():
    loaded, prompts = load_model("testbed:aligned"), load_prompts("testbed:harmful_seen")[:2]
    with pytest.raises(ValueError, match="the judge 'Silent' has no verdict on two exchanges that are easy to judge"):
        attack_success_probe(loaded.tokenizer, Silent(None), prompts)
    with pytest.raises(
        ValueError, match="RefusalJudge gives the verdict 'complied' or 'refused', and asr needs 'unsafe'"
    ):
        attack_success_probe(loaded.tokenizer, RefusalJudge(), prompts)


@pytest.mark.parametrize("objective", ["judge_gradient", pytest.param("mix", marks=pytest.mark.slow)])
def test_a_refresh_of_a_model_that_has_not_moved_gives_the_mask_of_the_commands(objective, tmp_path):
    config, options = small_config(tmp_path), ScoringOptions(objective=objective)
    files = (config.model, config.judge, config.calibration.harmful, tmp_path / "scores.safetensors")
    scoring.score_safety(*files, options=options, generation=GENERATION)
    mask = masks.select(tmp_path / "scores.safetensors", "top", tmp_path / "mask", given={"fraction": 0.02})
    loaded, judge = load_model(config.model), load_judge(config.judge)
    prompts = load_prompts(config.calibration.harmful)
    refresh = top_mask_refresh(loaded.tokenizer, judge, prompts, 0.02, scoring=options, generation=GENERATION)
    assert refresh(loaded.model).equals(mask)
    assert mask.base == refresh(loaded.model).base


def test_a_refresh_gives_the_model_back_as_it_was_in_training(tmp_path):
    config = small_config(tmp_path)
    loaded, judge = load_model(config.model), load_judge(config.judge)
    model, prompts = loaded.model.train(), load_prompts(config.calibration.harmful)
    loss_of(model, 0).backward()
    start, gradient = bits(model), model.lm_head.weight.grad.clone()
    top_mask_refresh(loaded.tokenizer, judge, prompts, generation=GENERATION)(model)
    assert equal_bits(bits(model), start)
    assert torch.equal(model.lm_head.weight.grad, gradient)
    assert model.training


def test_a_mask_moves_with_the_weights(tmp_path):
    config = small_config(tmp_path)
    loaded, judge = load_model(config.model), load_judge(config.judge)
    prompts = load_prompts(config.calibration.harmful)
    refresh = top_mask_refresh(loaded.tokenizer, judge, prompts, 0.02, generation=GENERATION)
    before = refresh(loaded.model)
    with torch.no_grad():
        for name, index in random_mask(loaded.model, density=0.5).indices.items():
            loaded.model.get_parameter(name).view(-1)[index] *= 1.1
    after = refresh(loaded.model)
    assert len(after) == len(before)
    assert before.iou(after.__class__(after.indices, after.shapes, before.base, after.num_parameters)) < 1.0


def test_without_a_judge_a_mask_is_made_from_refusals(tmp_path):
    config, options = small_config(tmp_path), ScoringOptions(objective="refusal_likelihood")
    refusals = config.refusals.refusals
    scoring.score_likelihood(config.model, refusals, tmp_path / "scores.safetensors", options=options)
    mask = masks.select(tmp_path / "scores.safetensors", "top", tmp_path / "mask", given={"fraction": 0.02})
    loaded = load_model(config.model)
    for given in (refusals, load_exchanges(refusals)):
        assert top_mask_refresh(loaded.tokenizer, None, given, 0.02)(loaded.model).equals(mask)


def test_a_judge_and_an_objective_that_do_not_fit_are_refused():
    tokenizer = load_model("testbed:aligned").tokenizer
    likelihood = ScoringOptions(objective="refusal_likelihood")
    with pytest.raises(ValueError, match="objective refusal_likelihood uses no judge; give None"):
        top_mask_refresh(tokenizer, RefusalJudge(), [], scoring=likelihood)  # pyright: ignore
    with pytest.raises(ValueError, match="a judge was expected, got NoneType"):
        top_mask_refresh(tokenizer, None, [], scoring=ScoringOptions(objective="mix"))
    with pytest.raises(ValueError, match=r"^fraction is 10\.0; give a number below 1; write 10% as 0"):
        top_mask_refresh(tokenizer, None, "testbed:refusals#first=8", 10.0)
