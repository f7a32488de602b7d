"""Nothing of a checkpoint's generation config takes part in an answer but its end tokens."""

import pytest
import torch
from transformers import GenerationConfig

from holdfast.models.generate import continue_prompts, generate
from holdfast.models.options import GenerateOptions
from holdfast.models.plain_settings import plain_settings

PROMPTS = ["hello", "how do i mend the old clock ?", "a"]
GREEDY = GenerateOptions(max_new_tokens=10)
SAMPLED = GenerateOptions(max_new_tokens=10, temperature=1.0, num_samples=2)
CHANGING = {
    "repetition_penalty": 1.3,
    "no_repeat_ngram_size": 1,
    "suppress_tokens": [*range(2, 200)],
    "begin_suppress_tokens": [*range(2, 200)],
    "forced_eos_token_id": 5,
    "bad_words_ids": [[7], [8]],
    "sequence_bias": [[[9], 50.0]],
    "guidance_scale": 3.0,
    "min_length": 200,
    "min_new_tokens": 9,
    "min_p": 0.5,
    "typical_p": 0.3,
    "epsilon_cutoff": 0.5,
    "eta_cutoff": 0.5,
    "top_k": 2,
    "top_p": 0.3,
    "temperature": 0.2,
    "do_sample": True,
    "num_beams": 4,
    "num_return_sequences": 2,
    "max_length": 3,
    "max_time": 1e-9,
    "stop_strings": ["e"],
    "use_cache": False,
    "cache_implementation": "static",
    "penalty_alpha": 0.6,
    "dola_layers": "low",
    "prompt_lookup_num_tokens": 3,
    "watermarking_config": {"bias": 5.0},
    "exponential_decay_length_penalty": (1, 2.0),
    "token_healing": True,
    "output_scores": True,
    "return_dict_in_generate": False,
    "pad_token_id": 9999,
    "bos_token_id": 9999,
}
"""A value of each field that would change an answer, or end in an error."""
UNKNOWN = {"custom_entry": 3, "_from_model_config": True}
ENDS = {"eos_token_id"}
"""What does take part."""


def odd_value(value):
    """Something else than a field's value where no telling one is known."""
    return not value if isinstance(value, bool) else 7


@pytest.fixture(scope="module")
def answers(make_model_and_tokenizer):
    model, tokenizer = make_model_and_tokenizer()
    return [generate(model, tokenizer, PROMPTS, options) for options in (GREEDY, SAMPLED)]


@pytest.fixture(scope="module")
def make_model_and_tokenizer():
    from tests.tiny import make_llama, make_tokenizer

    return lambda: (make_llama(), make_tokenizer())


def test_every_field_of_a_generation_config_at_once_changes_no_answer(llama, tokenizer, answers):
    fields = vars(llama.generation_config).keys() - ENDS
    assert CHANGING.keys() <= fields, "the library knows each"
    for name in fields:
        value = getattr(llama.generation_config, name)
        setattr(llama.generation_config, name, CHANGING.get(name, odd_value(value)))
    for name, value in UNKNOWN.items():
        setattr(llama.generation_config, name, value)
    assert [generate(llama, tokenizer, PROMPTS, options) for options in (GREEDY, SAMPLED)] == answers


@pytest.mark.parametrize("name", ["repetition_penalty", "min_p", "num_beams", "use_cache", "stop_strings"])
def test_a_field_of_a_generation_config_alone_changes_no_answer(llama, tokenizer, answers, name):
    setattr(llama.generation_config, name, CHANGING[name])
    assert [generate(llama, tokenizer, PROMPTS, options) for options in (GREEDY, SAMPLED)] == answers


def test_the_end_tokens_of_a_generation_config_end_answers(llama, tokenizer, answers):
    (first, *_) = answers[0]
    llama.generation_config.eos_token_id = [1, first.token_ids[4]]
    found = generate(llama, tokenizer, PROMPTS, GREEDY)[0]
    assert found.finished
    assert found.token_ids == first.token_ids[: first.token_ids.index(found.end_id)]


def test_continuations_are_plain_too(llama, tokenizer):
    encoded = [[5, 6, 7], [8]]
    plain = continue_prompts(llama, tokenizer, encoded, GREEDY)
    llama.generation_config.repetition_penalty = 1.3
    assert continue_prompts(llama, tokenizer, encoded, GREEDY) == plain


def test_the_generation_config_and_the_training_mode_are_given_back_after_an_error(llama):
    config = llama.generation_config
    config.repetition_penalty = 1.3
    llama.model.layers[1].train()
    with plain_settings(llama, {3}):
        assert llama.generation_config.eos_token_id == [3]
        assert llama.generation_config.repetition_penalty is None
        assert not any(module.training for module in llama.modules())
    with pytest.raises(IndexError), plain_settings(llama, set()):
        llama(torch.tensor([[10**6]]))
    assert llama.generation_config is config
    assert llama.model.layers[1].training
    assert not llama.training


def test_dropout_of_a_model_in_training_mode_changes_no_answer(tokenizer):
    from tests.models.families import FAMILIES, make_family

    gpt2 = make_family(next(family for family in FAMILIES if family.name == "gpt2"))
    plain = generate(gpt2, tokenizer, PROMPTS, GREEDY)
    assert generate(gpt2.train(), tokenizer, PROMPTS, GREEDY) == plain
    assert gpt2.training


def test_a_model_that_peft_wraps_is_asked_plainly_and_keeps_its_config(llama, tokenizer, answers):
    from peft import LoraConfig, get_peft_model

    llama.generation_config = GenerationConfig(eos_token_id=1, repetition_penalty=1.3)
    wrapped = get_peft_model(llama, LoraConfig(target_modules=["q_proj"], task_type="CAUSAL_LM"))
    with torch.no_grad():
        assert generate(wrapped, tokenizer, PROMPTS, GREEDY) == answers[0]
    assert llama.generation_config.repetition_penalty == 1.3
