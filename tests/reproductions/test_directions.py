"""A pass that goes on from a kept layer equals a whole one, and effects are differences."""

import pytest
import torch
from reproductions.directions.effects import Measured, Probe
from reproductions.directions.resumed import Text, keep_states, log_likelihoods

from holdfast import Direction, Exchange
from holdfast.evaluate.perplexity import perplexity
from holdfast.intervene.edit.steer import steered
from holdfast.models.asking import ask
from holdfast.models.load import LoadedModel
from tests.tiny import make_llama, make_moe, make_tokenizer

TEXTS = [Text([5, 9, 20, 11, 4], 3), Text([3, 8, 8, 2, 7, 7, 1], 2), Text([6, 2], 1)]


def whole(model, text: Text) -> float:
    with torch.no_grad():
        chances = model(torch.tensor([text.token_ids])).logits[0].log_softmax(-1)
    return sum(float(chances[place - 1, text.token_ids[place]]) for place in text.predicted)


def odds(model, tokenizer) -> list[float]:
    """Log odds of "sorry" against "the" after both prompts."""
    found = []
    for asked in ask(model, tokenizer, ["sorry", "can i help ?"]):
        with torch.no_grad():
            chances = model(torch.tensor([asked.prompt_ids])).logits[0, -1].log_softmax(-1)
        sorry, the = (tokenizer.encode(word, add_special_tokens=False)[0] for word in ("sorry", "the"))
        found.append(float(chances[sorry] - chances[the]))
    return found


def direction(model, layer: int) -> Direction:
    return Direction(torch.randn(16, generator=torch.Generator().manual_seed(1)), layer, 3.0, "base")


@pytest.mark.parametrize("make", [make_llama, make_moe])
@pytest.mark.parametrize("layer", [0, 1])
def test_likelihoods_from_a_kept_layer_equal_those_of_whole_passes_with_and_without_steering(make, layer):
    model = make()
    kept = keep_states(model, make_tokenizer(), TEXTS, layer)
    assert log_likelihoods(model, kept, layer) == pytest.approx([whole(model, text) for text in TEXTS], abs=1e-4)
    with steered(model, direction(model, layer), 1.0, check_base=False):
        expected = [whole(model, text) for text in TEXTS]
        found = log_likelihoods(model, kept, layer)
    assert found == pytest.approx(expected, abs=1e-4)
    assert found != pytest.approx([whole(model, text) for text in TEXTS], abs=1e-2), "steering did something"
    assert not any("forward" in vars(module) for module in model.modules()), "the layers compute again"


def test_an_effect_is_the_difference_that_steering_makes_to_the_first_tokens_of_two_openings():
    model, tokenizer = make_llama(), make_tokenizer()
    loaded = LoadedModel.of(model, tokenizer)
    exchanges = [Exchange("how do i mend the old clock ?", "can i help with that clock ?")]
    probe = Probe(loaded, ["sorry", "can i help ?"], 0, exchanges=exchanges, openings=("sorry", "the clock"))
    moved = probe.moved(direction(model, 0), 0.5)
    before = odds(model, tokenizer)
    with steered(model, direction(model, 0), 0.5, check_base=False):
        after, odds_after = perplexity(model, tokenizer, exchanges), odds(model, tokenizer)
    assert moved["effects"] == pytest.approx([odds_after[0] - before[0], odds_after[1] - before[1]], abs=1e-3)
    assert max(map(abs, moved["effects"])) > 0.01
    assert moved["rise"] == pytest.approx(after / perplexity(model, tokenizer, exchanges) - 1, abs=1e-4)
    assert probe.moved(direction(model, 0), 1e-9)["effects"] == pytest.approx([0, 0], abs=1e-4)


def test_effects_and_the_rise_of_perplexity_by_hand():
    found = Measured([1.0, -2.0], 2.0).against(Measured([0.5, -1.0], 1.0))
    assert found["effects"] == [0.5, -1.0]
    assert found["rise"] == pytest.approx(1.71828, abs=1e-4)
