import pytest
import torch

from holdfast.directions.states import last_states
from holdfast.prompts.chat import Turn, encode_chat
from tests.tiny import make_llama, make_moe, make_tokenizer

PROMPTS = ["how do i mend the old clock ?", "sorry", "can i help with that clock ? can i ?"]


@pytest.mark.parametrize("make", [make_llama, make_moe])
def test_states_are_those_that_the_model_has_at_the_last_token_of_each_prompt_alone(make):
    model, tokenizer = make(), make_tokenizer()
    states = last_states(model, tokenizer, PROMPTS)
    assert states.shape == (2, 3, 16)
    for place, prompt in enumerate(PROMPTS):
        token_ids = torch.tensor([encode_chat(tokenizer, [Turn("user", prompt)]).token_ids])
        with torch.no_grad():
            hidden = model(token_ids, output_hidden_states=True).hidden_states
        assert torch.allclose(states[0, place], hidden[1][0, -1], atol=1e-5)


def test_a_text_is_read_without_the_template_if_asked_for():
    model, tokenizer = make_llama(), make_tokenizer()
    states = last_states(model, tokenizer, ["sorry"], as_text=True)
    token_ids = torch.tensor([tokenizer("sorry")["input_ids"]])
    with torch.no_grad():
        hidden = model(token_ids, output_hidden_states=True).hidden_states
    assert torch.allclose(states[0, 0], hidden[1][0, -1], atol=1e-6)
    assert not torch.allclose(states, last_states(model, tokenizer, ["sorry"]), atol=1e-3)


@pytest.mark.parametrize(("texts", "sentence"), [([], "no texts to read"), ([""], "has no token; remove it")])
def test_texts_that_cannot_be_read_are_refused(texts, sentence):
    with pytest.raises(ValueError, match=sentence):
        last_states(make_llama(), make_tokenizer(), texts, as_text=True)
