from dataclasses import replace

import pytest
import torch

from holdfast.intervene.train.examples import training_row
from tests.intervene.given import HARMLESS, load_tiny
from tests.intervene.train.test_trainer import OPTIONS, tune
from tests.models.families import FAMILIES, make_family
from tests.tiny import make_llama, make_tokenizer


def gpt2_of(context):
    family = next(family for family in FAMILIES if family.name == "gpt2")
    return make_family(replace(family, config={**family.config, "max_position_embeddings": context}))


def test_exchanges_are_cut_to_the_context_of_learned_positions_and_it_is_told(caplog):
    lengths = [len(training_row(make_tokenizer(), exchange, 2048)["input_ids"]) for exchange in HARMLESS]
    longest, num_cut = max(lengths), sum(length > max(lengths) - 2 for length in lengths)
    losses = tune(load_tiny(torch.float32, gpt2_of(longest - 2)))
    assert len(losses) == OPTIONS.iterations
    assert (
        f"{num_cut} of 6 examples are cut to the model's context of {longest - 2} tokens, where max_length"
        in caplog.text
    )
    caplog.clear()
    tune(load_tiny(torch.float32, gpt2_of(longest)))
    assert "context" not in caplog.text


def test_an_exchange_whose_prompt_fills_the_context_is_refused():
    with pytest.raises(ValueError, match=r"no response within max_length=5: .* up to the model's context"):
        tune(load_tiny(torch.float32, gpt2_of(5)))


def test_an_exchange_with_a_token_that_the_model_lacks_is_refused_and_such_padding_is_not_used():
    with pytest.raises(ValueError, match="embedding has 300 rows"):
        tune(load_tiny(torch.float32, make_llama(vocabulary=300)))
    plain = tune(load_tiny(model=make_llama(vocabulary=len(make_tokenizer()))))
    loaded = load_tiny(model=make_llama(vocabulary=len(make_tokenizer())))
    loaded.tokenizer.add_special_tokens({"pad_token": "<|new pad|>"})
    assert tune(loaded) == plain
    assert loaded.tokenizer.pad_token == "<|new pad|>"
