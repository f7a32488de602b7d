from types import SimpleNamespace

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from holdfast.models.tables import (
    check_fits,
    check_token_ids,
    context_of,
    num_token_ids,
    pad_id_for,
    room_for_response,
)
from tests.models.families import DBRX, SMALL, TOKENS

YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128, "rope_theta": 1e4}
LLAMA3 = YARN | {"rope_type": "llama3", "factor": 2.0, "original_max_position_embeddings": 32}
LLAMA3 |= {"low_freq_factor": 1.0, "high_freq_factor": 4.0}
STATES = TOKENS | {"hidden_size": 16, "num_hidden_layers": 2}


def make(name, config):
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(CONFIG_MAPPING[name](**config))


@pytest.mark.parametrize(
    ("name", "config", "context"),
    [
        ("gpt2", SMALL, 128),
        ("opt", SMALL | {"word_embed_proj_dim": 16, "ffn_dim": 24}, 128),  # two rows of its table are beside it
        ("llama", SMALL, 128),
        ("llama", SMALL | {"rope_parameters": YARN}, 512),
        ("llama", SMALL | {"rope_parameters": LLAMA3}, 128),  # names what it was scaled to
        ("mpt", TOKENS | {"d_model": 16, "n_heads": 4, "n_layers": 2, "max_seq_len": 96}, 96),
        ("dbrx", DBRX, 128),
        ("rwkv", STATES | {"attention_hidden_size": 16, "context_length": 64}, 64),
        ("mamba", STATES | {"state_size": 4}, None),
    ],
)
def test_the_context_is_what_the_config_has_room_for(name, config, context):
    assert context_of(make(name, config)) == context


def test_rows_that_a_position_table_keeps_for_padding_are_no_room():
    config = CONFIG_MAPPING["roberta"](**TOKENS | {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2})
    config.intermediate_size, config.max_position_embeddings, config.pad_token_id = 16, 40, 1
    model = AutoModelForSequenceClassification.from_config(config).eval()
    assert context_of(model) == 38
    model(torch.full((1, 38), 5))
    with pytest.raises((IndexError, RuntimeError), match=r"out of (range|bounds)"):
        model(torch.full((1, 39), 5))


def test_a_response_has_what_its_prompt_leaves(llama):
    assert room_for_response(llama, 100, 20) == 20
    assert room_for_response(llama, 100, 28) == 28
    assert room_for_response(llama, 100, 29) == 28
    assert room_for_response(llama, 200, 5) == 0
    assert room_for_response(make("mamba", STATES | {"state_size": 4}), 10**6, 5) == 5


def test_an_id_beyond_the_embedding_is_refused_with_its_token(llama, tokenizer):
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>"]})
    beyond = tokenizer.convert_tokens_to_ids("<|im_start|>")
    llama.resize_token_embeddings(beyond)
    check_token_ids(llama, tokenizer, [[beyond - 1], []])
    with pytest.raises(ValueError, match=rf"'<\|im_start\|>' has id {beyond} .* has {beyond} rows, for ids up to"):
        check_token_ids(llama, tokenizer, [[5], [6, beyond]])


def test_an_exchange_longer_than_the_context_is_refused_with_both_lengths(llama, tokenizer):
    check_fits(llama, tokenizer, [[5] * 128])
    with pytest.raises(ValueError, match="an exchange of 129 tokens is longer than the model's context of 128"):
        check_fits(llama, tokenizer, [[5], [6] * 129])


@pytest.mark.parametrize(
    ("pad", "end", "expected"), [(3, 1, 3), (None, 1, 1), (340, 1, 1), (400, 400, 0), (None, None, 0)]
)
def test_padding_has_a_row_in_the_embedding(llama, pad, end, expected):
    assert num_token_ids(llama) == 340
    assert pad_id_for(llama, SimpleNamespace(pad_token_id=pad, eos_token_id=end)) == expected
