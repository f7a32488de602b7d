"""Against a stand-in: vLLM needs a GPU and is not here."""

import importlib.util

import pytest

from holdfast.models.generate import generate
from holdfast.models.load import load_model
from holdfast.models.options import GenerateOptions
from holdfast.models.response_log import ResponseLog
from holdfast.models.vllm_generator import VllmGenerator
from holdfast.progress import silent
from tests.models.vllm_stand_in import LLM, install

PROMPTS = ["hello", "how do i mend the old clock ?", "a"]
OPTIONS = GenerateOptions(engine="vllm", max_new_tokens=8, gpu_share=0.3, seed=5)


@pytest.fixture
def engines(monkeypatch):
    return install(monkeypatch)


@pytest.fixture
def stored(llama, tokenizer, tmp_path):
    """A checkpoint in a folder, loaded."""
    llama.save_pretrained(tmp_path / "tiny")
    tokenizer.save_pretrained(tmp_path / "tiny")
    return load_model(str(tmp_path / "tiny"))


def by_transformers(stored, **how):
    options = GenerateOptions(max_new_tokens=8)
    return generate(stored.model, stored.tokenizer, PROMPTS, options, **how)


def test_responses_are_those_of_transformers(stored, engines):
    assert VllmGenerator(stored)(PROMPTS, OPTIONS, silent) == by_transformers(stored)


def test_the_checkpoint_is_loaded_as_it_is_stored_without_its_code(stored, engines):
    VllmGenerator(stored)(PROMPTS, OPTIONS, silent)
    (engine,) = engines
    given = {"dtype": "float32", "seed": 5, "share": 0.3, "remote_code": False, "generation_config": "vllm"}
    assert engine.given == given


def test_the_checkpoints_sampling_habits_take_no_part_and_its_context_ends_responses(stored, engines):
    stored.model.config.max_position_embeddings = 30
    sampled = OPTIONS.model_copy(update={"temperature": 0.7, "max_new_tokens": 25})
    found = VllmGenerator(stored)(PROMPTS, sampled, silent)
    (engine,) = engines
    for response, asked in zip(found, engine.asked, strict=True):
        assert (asked.temperature, asked.top_k, asked.top_p) == (0.7, 0, 1.0)
        assert asked.max_tokens == min(25, 30 - len(response.prompt_ids))
    assert {asked.max_tokens for asked in engine.asked} != {25}


def test_an_end_that_no_token_shows_is_an_end(stored, engines, monkeypatch):
    answer = LLM._answer

    def ended(self, prompt, parameters):
        found = answer(self, prompt, parameters)
        found.outputs[0].finish_reason = "stop"
        return found

    assert not any(one.finished for one in VllmGenerator(stored)(PROMPTS, OPTIONS, silent))
    monkeypatch.setattr(LLM, "_answer", ended)
    assert all(one.finished for one in VllmGenerator(stored)(PROMPTS, OPTIONS, silent))


def test_every_response_has_a_seed_of_its_own_whatever_else_is_asked(stored, engines, tmp_path):
    sampled = OPTIONS.model_copy(update={"temperature": 0.7, "num_samples": 2})
    log = ResponseLog(tmp_path / "responses.jsonl")
    VllmGenerator(stored)(PROMPTS, sampled, silent)
    whole = VllmGenerator(stored, log)(PROMPTS, sampled, silent)
    seeds = [parameters.seed for parameters in engines[0].asked]
    assert len(set(seeds)) == 6
    assert {(one.n, one.temperature, one.top_p, one.top_k) for one in engines[0].asked} == {(1, 0.7, 1.0, 0)}
    # A log that lost the last two: they are asked for alone, under the seeds that they had.
    lines = log.path.read_text().split("\n")
    log.path.write_text("\n".join(lines[:-2]))
    assert VllmGenerator(stored, ResponseLog(log.path))(PROMPTS, sampled, silent) == whole
    assert [parameters.seed for parameters in engines[-1].asked] == seeds[-2:]


def test_nothing_is_loaded_where_all_is_known(stored, engines, tmp_path):
    log = ResponseLog(tmp_path / "responses.jsonl")
    VllmGenerator(stored, log)(PROMPTS, OPTIONS, silent)
    VllmGenerator(stored, log)(PROMPTS, OPTIONS, silent)
    assert len(engines) == 1


def test_a_missing_package_is_one_sentence(stored, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"needs the package vllm; install it with pip install vllm"):
        VllmGenerator(stored)(PROMPTS, OPTIONS, silent)


def test_a_model_in_memory_is_not_answered_for(stored):
    with pytest.raises(ValueError, match="engine vllm answers with the stored checkpoint"):
        generate(stored.model, stored.tokenizer, PROMPTS, OPTIONS)


def test_a_share_of_a_gpu_that_nothing_takes_is_refused():
    with pytest.raises(ValueError, match=r"gpu_share of 0.3 has no effect with engine transformers"):
        GenerateOptions(gpu_share=0.3)
