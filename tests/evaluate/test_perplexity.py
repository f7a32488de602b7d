import math

import pytest
import torch

from holdfast.evaluate.perplexity import perplexity
from holdfast.evaluate.token_losses import LARGEST
from holdfast.prompts.chat import Turn, encode_chat
from holdfast.records import Exchange
from tests.models.families import make_only_continued
from tests.tiny import make_llama, make_tokenizer

EXCHANGES = [
    Exchange("how do i mend the old clock ?", "sorry , i can not help with that ."),
    Exchange("safe ?", "naïve café"),
    Exchange("the old clock ?", "mend"),
]


def completion_losses(model, tokenizer, exchange):
    """One exchange and one token at a time: the definition."""
    turns = [Turn("user", exchange.prompt), Turn("assistant", exchange.response)]
    chat = encode_chat(tokenizer, turns, generation_prompt=False)
    losses = []
    for span in chat.spans[1]:
        with torch.no_grad():
            logits = model(torch.tensor([chat.token_ids[: span.token]])).logits[0, -1]
        losses.append(-logits.double().log_softmax(-1)[chat.token_ids[span.token]].item())
    return losses


def test_equals_the_definition_whatever_the_batches(llama, tokenizer):
    losses = [loss for exchange in EXCHANGES for loss in completion_losses(llama, tokenizer, exchange)]
    expected = math.exp(sum(losses) / len(losses))
    # float32 logits of a two-layer model: measured difference below 1e-6.
    assert perplexity(llama, tokenizer, EXCHANGES) == pytest.approx(expected, rel=1e-5)
    assert perplexity(llama, tokenizer, EXCHANGES, token_budget=1) == pytest.approx(expected, rel=1e-5)


def test_a_model_that_knows_nothing_is_surprised_by_every_token_of_its_vocabulary(llama, tokenizer):
    torch.nn.init.zeros_(llama.get_input_embeddings().weight)
    assert perplexity(llama, tokenizer, EXCHANGES) == pytest.approx(llama.config.vocab_size, rel=1e-5)


@pytest.mark.parametrize(("scale", "expected"), [(torch.nan, None), (1e6, LARGEST)])
def test_a_loss_that_is_no_number_is_missing_and_a_huge_one_is_the_largest(llama, tokenizer, scale, expected):
    with torch.no_grad():
        llama.model.norm.weight *= scale  # log-probabilities of NaN, or of -1e5, beyond the range of exp
    assert perplexity(llama, tokenizer, EXCHANGES) == expected


@pytest.mark.parametrize("exchanges", [[], [Exchange("safe ?", "")]])
def test_no_completion_token_is_no_perplexity(llama, tokenizer, exchanges):
    assert perplexity(llama, tokenizer, exchanges) is None


def test_an_exchange_beyond_the_context_or_the_embedding_is_refused(llama, tokenizer):
    with pytest.raises(ValueError, match=r"an exchange of \d+ tokens is longer than the model's context of 128"):
        perplexity(llama, tokenizer, [*EXCHANGES, Exchange("safe ?", "mend " * 130)])
    with pytest.raises(ValueError, match="embedding has 300 rows"):
        perplexity(make_llama(vocabulary=300), tokenizer, EXCHANGES)


def test_a_model_that_can_keep_no_state_is_measured():
    xlstm = make_only_continued("xlstm")
    assert perplexity(xlstm, make_tokenizer(), EXCHANGES[2:]) > 1
