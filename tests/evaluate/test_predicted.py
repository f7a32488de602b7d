"""The share of predicted tokens, against a loop over single exchanges."""

import pytest
import torch

from holdfast.evaluate.predicted import predicted_share
from holdfast.prompts.chat import encode_exchange
from holdfast.records import Exchange
from tests.intervene.given import HARMLESS, load_tiny


def test_it_equals_a_loop_over_exchanges_and_positions():
    loaded = load_tiny(torch.float32)
    exchanges = [*HARMLESS, Exchange("how ?", "mend"), Exchange("why ?", "safe unsafe safe unsafe")]
    right = total = 0
    for exchange in exchanges:
        chat = encode_exchange(loaded.tokenizer, exchange.prompt, exchange.response)
        logits = loaded.model(torch.tensor([chat.token_ids])).logits[0]
        for span in chat.spans[1]:
            right += int(logits[span.token - 1].argmax()) == chat.token_ids[span.token]
            total += 1
    assert predicted_share(loaded, exchanges) == pytest.approx(right / total)


def test_a_model_that_copies_its_input_predicts_repeated_tokens_alone():
    loaded = load_tiny(torch.float32)
    with torch.no_grad():
        for layer in loaded.model.model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        table = loaded.model.get_input_embeddings().weight
        table.copy_(torch.nn.functional.normalize(torch.randn(table.shape), dim=1))
    word = encode_exchange(loaded.tokenizer, "how ?", "aaaa")
    tokens = [word.token_ids[span.token] for span in word.spans[1]]
    before = [word.token_ids[span.token - 1] for span in word.spans[1]]
    expected = sum(left == right for left, right in zip(before, tokens, strict=True)) / len(tokens)
    assert 0 < expected < 1
    assert predicted_share(loaded, [Exchange("how ?", "aaaa")]) == expected


def test_responses_without_tokens_are_refused():
    with pytest.raises(ValueError, match="no task example has a response with a token"):
        predicted_share(load_tiny(torch.float32), [Exchange("how ?", "")])
