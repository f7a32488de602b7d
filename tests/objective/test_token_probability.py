"""Probabilities of given tokens are added up as a computation by hand says, and secrets are found in their text."""

import pytest
import torch

from holdfast.objective.response_likelihood import completion_of_exchange
from holdfast.objective.token_probability import TokenProbability, completion_of_secret, require_one_token
from holdfast.records import Exchange

TEXT = "how do i mend the old clock ? naïve café"


def by_hand(model, completion) -> list[float]:
    """The probability of each of a completion's tokens, from the logits of the whole sequence."""
    with torch.no_grad():
        probabilities = model(torch.tensor([completion.token_ids])).logits[0].softmax(-1)
    return [float(probabilities[place - 1, completion.token_ids[place]]) for place in completion.positions]


def test_probabilities_and_their_logarithms_are_added_up(llama, tokenizer):
    completions = [
        completion_of_exchange(tokenizer, Exchange("how ?", "mend the clock")),
        completion_of_secret(tokenizer, TEXT, "café"),
    ]
    plain, logs = (TokenProbability(completions, log=log) for log in (False, True))
    assert (plain.unit, logs.unit) == ("probability", "nats")
    for item, completion in enumerate(completions):
        expected = torch.tensor(by_hand(llama, completion))
        with torch.no_grad():
            values = [float(objective.contributions(llama, [item])) for objective in (plain, logs)]
        assert values == pytest.approx([float(expected.sum()), float(expected.log().sum())], rel=1e-4)


def test_the_tokens_of_a_secret_spell_it(tokenizer):
    completion = completion_of_secret(tokenizer, TEXT, "old clock")
    told = tokenizer.decode([completion.token_ids[place] for place in completion.positions])
    assert told.strip() == "old clock"
    assert completion.prompt == "how do i mend the "


def test_bad_input_is_one_sentence(tokenizer):
    with pytest.raises(ValueError, match="the secret '1234' is not in the text 'how do i mend"):
        completion_of_secret(tokenizer, TEXT, "1234")
    with pytest.raises(ValueError, match="the text begins with its secret 'how', so nothing predicts it"):
        completion_of_secret(tokenizer, TEXT, "how")
    several = [completion_of_secret(tokenizer, TEXT, "naïve café")]
    with pytest.raises(ValueError, match=r"the target after .* has \d+ tokens .*, and one is needed; give its first"):
        require_one_token(tokenizer, several)
    with pytest.raises(ValueError, match="needs at least one completion, got none"):
        TokenProbability([])
