import pytest
import torch

from holdfast.evaluate.perplexity import perplexity
from holdfast.objective.response_likelihood import ResponseLikelihood
from holdfast.records import Exchange

EXCHANGES = [Exchange("how do i mend it ?", "sorry , i can not help ."), Exchange("東京 ?", "naïve café")]


def test_only_the_responses_own_tokens_count(llama, tokenizer):
    for completion, exchange in zip(ResponseLikelihood(tokenizer, EXCHANGES).completions, EXCHANGES, strict=True):
        said = [completion.token_ids[position] for position in completion.positions]
        assert tokenizer.decode(said, clean_up_tokenization_spaces=False) == exchange.response


def test_it_is_the_negative_logarithm_of_perplexity(llama, tokenizer):
    """Perplexity, measured elsewhere, of one exchange is exp(-mean log-likelihood)."""
    contributions = ResponseLikelihood(tokenizer, EXCHANGES).contributions(llama, [0, 1])
    for exchange, value in zip(EXCHANGES, contributions.tolist(), strict=True):
        measured = perplexity(llama, tokenizer, [exchange])
        assert measured is not None
        assert value == pytest.approx(-float(torch.tensor(measured).log()), rel=1e-4)


def test_the_gradient_points_up_in_likelihood(llama, tokenizer):
    objective = ResponseLikelihood(tokenizer, EXCHANGES)
    before = objective.contributions(llama, [0, 1]).sum()
    before.backward()
    with torch.no_grad():
        for weight in llama.parameters():
            weight.add_(weight.grad, alpha=1e-3)
        assert float(objective.contributions(llama, [0, 1]).sum()) > float(before.detach())


def test_no_exchange_and_an_empty_response_are_refused(tokenizer):
    with pytest.raises(ValueError, match="needs at least one exchange"):
        ResponseLikelihood(tokenizer, [])
    with pytest.raises(ValueError, match="the response to 'help' is empty"):
        ResponseLikelihood(tokenizer, [Exchange("help", "")])
