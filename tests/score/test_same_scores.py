"""How the work is cut up never shows in the scores: batches, order, padding, a stop in between.

On the built-in aligned model and its guard, float32. All scores together, and those of one tensor, may differ by 2e-6
of their norm: float32 sums in another order, no more. Measured: all together differ by 7.4e-7 to 1.05e-6 over four sets
of prompts, more on one kind of CPU than on another; the worst tensor, a key matrix whose scores are a thousandth of the
others', by 1.04e-6. Masks are equal.
"""

import random

import pytest
import torch

from holdfast.judge.guard import GuardJudge
from holdfast.models.generate import generate
from holdfast.models.load import load_model
from holdfast.models.logits import logits_at
from holdfast.models.options import GenerateOptions
from holdfast.prompts.batching import left_pad, right_pad
from holdfast.prompts.sources import load_prompts
from holdfast.score import JudgeGradient, ScoreOptions, score, score_halves
from holdfast.select import TopOptions, select_top
from holdfast.values import Scores

pytestmark = pytest.mark.xdist_group("same_scores")


@pytest.fixture(scope="module")
def loaded():
    return load_model("testbed:aligned")


@pytest.fixture(scope="module")
def judge():
    guard = load_model("testbed:guard")
    return GuardJudge(guard.model, guard.tokenizer)


@pytest.fixture(scope="module")
def responses(loaded):
    prompts = [prompt.prompt for prompt in load_prompts("testbed:harmful_calibration")[:12]]
    return generate(loaded.model, loaded.tokenizer, prompts, GenerateOptions(max_new_tokens=8))


@pytest.fixture(scope="module")
def expected(loaded, judge, responses) -> Scores:
    return score(loaded, JudgeGradient(judge, loaded.tokenizer, responses))


def assert_same(found: Scores, expected: Scores) -> None:
    names = list(expected.entries)
    differences = torch.stack([(found.entries[name] - expected.entries[name]).norm() for name in names])
    norms = torch.stack([expected.entries[name].norm() for name in names])
    assert float(differences.norm()) <= 2e-6 * float(norms.norm())
    assert float((differences / norms).max()) <= 2e-6
    masks = [select_top(scores, TopOptions(fraction=0.01)) for scores in (found, expected)]
    assert masks[0].iou(masks[1]) == 1


@pytest.mark.parametrize("token_budget", [1, 100, 400])
def test_one_batch_and_many_give_the_same_scores(token_budget, loaded, judge, responses, expected):
    objective = JudgeGradient(judge, loaded.tokenizer, responses)
    assert_same(score(loaded, objective, ScoreOptions(token_budget=token_budget)), expected)


def test_the_order_of_the_responses_plays_no_part(loaded, judge, responses, expected):
    shuffled = random.Random(0).sample(responses, len(responses))
    assert shuffled != responses
    assert_same(score(loaded, JudgeGradient(judge, loaded.tokenizer, shuffled)), expected)


def test_a_tokenizers_padding_side_plays_no_part(loaded, judge, responses, expected):
    sides = [(one.tokenizer, one.tokenizer.padding_side) for one in (loaded, judge)]
    try:
        for tokenizer, side in sides:
            tokenizer.padding_side = "left" if side == "right" else "right"
        assert_same(score(loaded, JudgeGradient(judge, loaded.tokenizer, responses)), expected)
    finally:
        for tokenizer, side in sides:
            tokenizer.padding_side = side


@torch.no_grad()
def test_padding_on_the_left_and_on_the_right_give_the_same_predictions(loaded, responses):
    """Scoring pads on the right and generation on the left: what was sampled is what is scored."""
    sequences = [response.prompt_ids for response in responses]
    rows = torch.arange(len(sequences))
    token_ids, attention_mask = right_pad(sequences, pad_id=0)
    assert bool((attention_mask == 0).any())
    inputs = {"input_ids": token_ids, "attention_mask": attention_mask}
    on_the_right = logits_at(loaded.model, rows, attention_mask.sum(1) - 1, inputs)
    token_ids, attention_mask = left_pad(sequences, pad_id=0)
    places = (attention_mask.cumsum(1) - 1).clamp(min=0)
    inputs = {"input_ids": token_ids, "attention_mask": attention_mask, "position_ids": places}
    on_the_left = logits_at(loaded.model, rows, torch.full_like(rows, token_ids.shape[1] - 1), inputs)
    torch.testing.assert_close(on_the_left, on_the_right, rtol=0, atol=2e-5)  # of logits up to 17; measured 5e-6


def test_a_scoring_that_was_stopped_ends_in_the_same_scores(loaded, judge, responses, expected, tmp_path):
    def stop(label: str, done: int, total: int) -> None:
        if done > total // 2:
            raise KeyboardInterrupt

    objective, how = JudgeGradient(judge, loaded.tokenizer, responses), ScoreOptions(token_budget=100)
    with pytest.raises(KeyboardInterrupt):
        score_halves(loaded, objective, how, stop, keep=tmp_path)
    assert list(tmp_path.iterdir())
    assert_same(score_halves(loaded, objective, how, keep=tmp_path).whole, expected)
