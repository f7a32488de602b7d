import pytest
import torch

from holdfast.evaluate.divergence import divergence
from holdfast.models.load import LoadedModel
from holdfast.prompts.chat import encode_exchange
from holdfast.records import Exchange
from tests.tiny import make_llama, make_loaded, make_tokenizer

EXCHANGES = [
    Exchange("how do i mend the old clock ?", "sorry , i can not help with that ."),
    Exchange("safe ?", "naïve café"),
    Exchange("the old clock ?", "mend"),
]


@pytest.fixture
def loaded(tokenizer):
    return make_loaded(make_llama(), tokenizer)


@pytest.fixture
def reference(tokenizer):
    return make_loaded(make_llama(seed=1), tokenizer)


def by_definition(loaded, reference, exchange):
    """One token at a time, a sum over the vocabulary in float64."""
    chat = encode_exchange(loaded.tokenizer, exchange.prompt, exchange.response)
    found = []
    for span in chat.spans[1]:
        with torch.no_grad():
            ours, theirs = (
                one.model(torch.tensor([chat.token_ids[: span.token]])).logits[0, -1].double().log_softmax(-1)
                for one in (loaded, reference)
            )
        found.append(sum(float(r.exp() * (r - m)) for r, m in zip(theirs, ours, strict=True)))
    return found


@pytest.mark.parametrize("budget", [1024, 1])
def test_equals_the_definition_whatever_the_batches(loaded, reference, budget):
    every = [value for exchange in EXCHANGES for value in by_definition(loaded, reference, exchange)]
    found = divergence(loaded, reference, EXCHANGES, token_budget=budget)
    # float32 log-probabilities about 6 in size: their differences are known to about 6 * 2^-23, measured 7e-8.
    assert found.value == pytest.approx(sum(every) / len(every), abs=1e-6)
    assert found.n == 3
    assert None not in (found.low, found.high)
    assert found.low < found.value < found.high


def test_the_direction_is_from_the_reference_to_the_model(loaded, reference):
    with torch.no_grad():
        reference.model.get_output_embeddings().weight.mul_(30)  # surer of itself, so that directions differ
    there, back = divergence(loaded, reference, EXCHANGES), divergence(reference, loaded, EXCHANGES)
    every = [value for exchange in EXCHANGES for value in by_definition(loaded, reference, exchange)]
    assert there.value == pytest.approx(sum(every) / len(every), rel=1e-4)
    assert there.value != pytest.approx(back.value, rel=0.1)


def test_a_model_is_exactly_where_it_is(loaded):
    found = divergence(loaded, loaded, EXCHANGES)
    assert (found.value, found.low, found.high, found.unscored) == (0.0, 0.0, 0.0, 0)


def test_only_tokens_of_the_response_count(loaded, reference):
    """A longer prompt adds no token to the mean: exchanges of one response token have one term."""
    (alone,) = by_definition(loaded, reference, Exchange("how do i mend the old clock ?", "a"))
    found = divergence(loaded, reference, [Exchange("how do i mend the old clock ?", "a")])
    assert found.value == pytest.approx(alone, abs=1e-6)


def test_a_token_that_the_reference_forbids_adds_nothing_and_one_that_only_the_model_forbids_is_unscored(
    loaded, reference
):
    def forbid(module, arguments, logits):
        return logits.masked_fill(torch.arange(logits.shape[-1]) == 7, -torch.inf)

    reference.model.get_output_embeddings().register_forward_hook(forbid)
    found = divergence(loaded, reference, EXCHANGES)
    assert (found.n, found.unscored) == (3, 0)
    found = divergence(reference, loaded, EXCHANGES)
    assert (found.value, found.n, found.unscored) == (None, 0, 3)


def test_the_interval_knows_that_tokens_of_one_exchange_go_together(loaded, reference):
    once = divergence(loaded, reference, EXCHANGES)
    many = divergence(loaded, reference, EXCHANGES * 20)
    assert many.value == pytest.approx(once.value)
    assert many.high - many.low < 0.5 * (once.high - once.low)  # by about the root of 20


def test_a_reference_with_other_tokens_is_refused(loaded):
    other = make_tokenizer(vocabulary=300)
    with pytest.raises(ValueError, match="and 'tiny' have different vocabularies \\(300 and 340 tokens\\)"):
        divergence(loaded, LoadedModel(make_llama(300), other, "other", "", torch.float32), EXCHANGES)


def test_an_exchange_beyond_the_context_of_either_is_refused(loaded, reference):
    reference.model.config.max_position_embeddings = 20
    divergence(loaded, reference, EXCHANGES[1:])
    with pytest.raises(ValueError, match=r"an exchange of \d+ tokens is longer than the model's context of 20"):
        divergence(loaded, reference, EXCHANGES)
