"""Preferences: what is preferred over what, where training starts, and that only the mask is trained."""

import math

import pytest
import torch

from holdfast.intervene.options import EnhanceOptions
from holdfast.intervene.train.dpo import Preference, make_preferences, preference_row
from holdfast.intervene.train.enhance import enhance
from holdfast.models.load import LoadedModel
from holdfast.models.response_log import Response
from holdfast.records import Exchange
from tests.intervene.given import HARMLESS, REFUSALS, as_booleans, bits, equal_bits, load_tiny, random_mask
from tests.tiny import make_llama

OPTIONS = EnhanceOptions(iterations=6, batch_size=4, learning_rate=1e-2, objective="dpo", own_tokens=8)


def answer(model, tokenizer, prompts, *_) -> list[Response]:
    """What a tiny random model would not say by itself: words."""
    return [Response(prompt, [], [], f"that old clock {len(prompt)}", finished=True) for prompt in prompts]


@pytest.fixture(autouse=True)
def own_answers(monkeypatch):
    monkeypatch.setattr("holdfast.intervene.train.dpo.generate", answer)


def log_probability(loaded: LoadedModel, prompt: str, response: str) -> float:
    row = preference_row(loaded.tokenizer, Preference(prompt, response, response), 256)
    ids = torch.tensor([row["prompt_ids"] + row["chosen_ids"]])
    with torch.no_grad():
        logs = loaded.model(ids).logits[0].log_softmax(-1)
    start = len(row["prompt_ids"])
    return sum(float(logs[place - 1, ids[0, place]]) for place in range(start, ids.shape[1]))


def test_preferences_train_the_mask_and_no_other_bit_and_start_from_indifference(capsys):
    loaded = load_tiny()
    mask, start = random_mask(loaded.model), bits(loaded.model)
    result = enhance(loaded, mask, refusals=REFUSALS, harmless=HARMLESS, options=OPTIONS)
    for name, weight in bits(loaded.model).items():
        chosen = as_booleans(mask, name, weight.shape)
        assert torch.equal(weight[~chosen], start[name][~chosen]), name
    # The model is its own reference at first: both log-ratios are 0, and -log sigmoid(0) = log 2.
    assert result.losses[0] == pytest.approx(math.log(2), rel=1e-4)
    assert result.losses[-1] < result.losses[0]
    assert result.saved_loss is None, "it is of responses alone"
    assert capsys.readouterr() == ("", "")


def test_the_safe_response_gains_on_the_models_own_answer():
    loaded = load_tiny()
    prompt, safe = REFUSALS[0].prompt, REFUSALS[0].response
    own = answer(None, None, [prompt])[0].text
    before = log_probability(loaded, prompt, safe) - log_probability(loaded, prompt, own)
    options = OPTIONS.model_copy(update={"iterations": 20, "learning_rate": 5e-2, "harmless_share": 0.0})
    enhance(loaded, random_mask(loaded.model), refusals=REFUSALS, harmless=[], options=options)
    after = log_probability(loaded, prompt, safe) - log_probability(loaded, prompt, own)
    assert after > before + 0.5


def test_micro_batches_of_preferences_add_up_to_the_batch():
    whole, parts = load_tiny(), load_tiny()
    mask = random_mask(whole.model)
    together = enhance(whole, mask, refusals=REFUSALS, harmless=HARMLESS, options=OPTIONS)
    in_parts = enhance(
        parts, mask, refusals=REFUSALS, harmless=HARMLESS, options=OPTIONS.model_copy(update={"micro_batch_size": 2})
    )
    assert in_parts.losses == pytest.approx(together.losses, rel=1e-3)
    for name, weight in bits(whole.model).items():
        # Six float32 AdamW steps of 1e-2 on sums in another order.
        torch.testing.assert_close(bits(parts.model)[name], weight, rtol=0, atol=2e-3)


def test_what_is_preferred_over_what():
    loaded = load_tiny()
    harmful, helpful = make_preferences(loaded, REFUSALS, HARMLESS, max_new_tokens=8)
    assert [(one.prompt, one.chosen) for one in harmful] == [(one.prompt, one.response) for one in REFUSALS]
    assert [(one.prompt, one.chosen) for one in helpful] == [(one.prompt, one.response) for one in HARMLESS]
    assert {one.rejected for one in helpful} <= {one.response for one in REFUSALS}


def test_a_model_that_says_the_safe_response_already_is_refused_and_left_alone():
    loaded = load_tiny()
    own = [Exchange("help", answer(None, None, ["help"])[0].text)]
    mask, start = random_mask(loaded.model), bits(loaded.model)
    with pytest.raises(ValueError, match="nothing to prefer"):
        enhance(loaded, mask, refusals=own, harmless=HARMLESS, options=OPTIONS, check_sets=False)
    assert equal_bits(bits(loaded.model), start)


def test_settings_of_preferences_are_refused_without_them():
    with pytest.raises(ValueError, match="beta is a setting of objective dpo"):
        EnhanceOptions(beta=0.5)


def test_preferences_are_cut_to_the_models_context(caplog):
    model = make_llama()
    model.config.max_position_embeddings = 25
    enhance(load_tiny(model=model), random_mask(model), refusals=REFUSALS, harmless=HARMLESS, options=OPTIONS)
    assert "examples are cut to the model's context of 25 tokens" in caplog.text
