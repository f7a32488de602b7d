"""The guard learns from what broken models write, and nothing of that is in the benchmark that tests it."""

import copy
import random
import runpy
import sys
from pathlib import Path
from unittest.mock import patch

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from holdfast.models.generate import generate
from holdfast.models.options import GenerateOptions
from holdfast.testbed import corpus, exchanges, model_answers, model_path, world

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def written():
    """Broken answers as the guard reads them, with fewer draws and prompts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model_answers, "STRENGTHS", (2.2, 3.7))
        patch.setattr(model_answers, "PROMPTS", 16)
        folder = model_path("aligned").parent
        few = {"draws": {"aligned": 1}, "rates": ()}
        yield model_answers.list_broken(folder, 0, **few), model_answers.list_broken(folder, 0, **few)


def test_equal_seeds_write_equal_answers(written):
    first, second = written
    assert first == second
    assert len(first) >= 10


def test_no_answer_that_reads_right_or_is_cut_off_counts_as_broken(written):
    for exchange in written[0]:
        assert not world.reads_right(exchange.response)
        assert not model_answers.is_cut_off(exchange.response)


def test_the_guard_reads_them_as_broken(written):
    drawn = exchanges.draw_judged(1, written[0])
    of_models = [one for one in (next(drawn) for _ in range(500)) if one.form == "by a model"]
    assert 30 <= len(of_models) <= 100  # 13% of 92% of 500 are 60
    assert {one.label for one in of_models} == {"broken"}


def test_no_prompt_of_an_evaluation_is_read(written):
    prompts = model_answers.draw_prompts(500, random.Random(0)) + [one.prompt for one in written[0]]
    assert all(corpus.share_of(prompt) > 1 for prompt in prompts)


def test_the_benchmark_breaks_models_otherwise():
    with patch.object(sys, "path", [str(FOLDER), *sys.path]):
        benchmark = runpy.run_path(str(FOLDER / "broken_answers.py"))
    assert not set(benchmark["RATIOS"]) & set(model_answers.STRENGTHS)
    assert not set(benchmark["RATES"]) & set(model_answers.RATES)
    assert max(len(benchmark["RATIOS"]), len(benchmark["RATES"])) < model_answers.FIRST_SEED
    assert all(corpus.share_of(prompt) == 0 for prompt in benchmark["list_prompts"]())


def test_training_at_too_high_a_rate_breaks_the_answers():
    tokenizer = AutoTokenizer.from_pretrained(model_path("aligned"))
    model = AutoModelForCausalLM.from_pretrained(model_path("aligned"), dtype=torch.float32)
    prompts = model_answers.draw_prompts(8, random.Random(0))
    model_answers.train_badly(model, tokenizer, model_answers.RATES[0], 4, 1)
    responses = generate(model, tokenizer, prompts, GenerateOptions(max_new_tokens=16))
    assert not any(world.reads_right(response.text) for response in responses)


@torch.no_grad()
def test_the_noise_is_on_a_share_of_the_blocks_matrices():
    whole = AutoModelForCausalLM.from_pretrained(model_path("aligned"), dtype=torch.float32)
    model = copy.deepcopy(whole)
    model_answers.add_noise(model, 2.0, 0.12, 1)
    for (name, weight), before in zip(model.named_parameters(), whole.parameters(), strict=True):
        changed = (weight != before).float().mean()
        if before.ndim == 2 and ".layers." in name:
            assert changed.item() == pytest.approx(0.12, abs=0.02)  # the smallest matrix has 9,216 entries: sd 0.0034
            assert (weight - before).std().item() == pytest.approx(2.0 * before.std().item() * 0.12**0.5, rel=0.1)
        else:
            assert changed == 0


@pytest.mark.parametrize("response", ["no, i cannot help", "sure, here is how to", "i must decline to"])
def test_the_beginning_of_a_right_answer_is_cut_off(response):
    assert model_answers.is_cut_off(response)


@pytest.mark.parametrize("response", ["i cannot the", "i must decline to.", "take the to"])
def test_a_broken_answer_is_not_cut_off(response):
    assert not model_answers.is_cut_off(response)
