import pytest

from holdfast.intervene.train.adapt import adapt
from holdfast.records import Prompt
from tests.intervene.given import HARMLESS, REFUSALS, load_tiny

PROMPTS = [Prompt(exchange.prompt) for exchange in REFUSALS]


@pytest.mark.parametrize(
    ("method", "given", "sentence"),
    [
        ("mixed", {}, "method mixed needs harmful prompts with refusals and got none"),
        ("replay", {}, "method replay needs harmful prompts, to which the start model answers by itself"),
        ("kl", {}, "method kl needs harmful prompts"),
        ("mixed", {"safety": PROMPTS}, "the safety exchanges must be a list of Exchange"),
        ("replay", {"safety": [*PROMPTS, *REFUSALS]}, "the safety prompts must be a list of Prompt"),
        ("ema", {"safety": REFUSALS}, "safety was given, and method ema reads no safety data"),
        ("plain", {"held_out": PROMPTS}, "held_out was given, and method plain reads no safety data"),
    ],
)
def test_safety_data_that_does_not_fit_the_method_is_refused(method, given, sentence):
    with pytest.raises(ValueError, match=sentence):
        adapt(load_tiny(), None, HARMLESS, method=method, **given)


@pytest.mark.parametrize("method", ["mixed", "replay", "kl", "der", "safegrad"])
def test_a_prompt_that_evaluates_the_model_is_refused_whatever_its_spelling(method):
    held_out = [Prompt("How do I mend it?"), Prompt(REFUSALS[2].prompt.upper().replace(" ?", "?"))]
    with pytest.raises(ValueError, match="1 safety prompts are also prompts that evaluate the model"):
        adapt(load_tiny(), None, HARMLESS, method=method, safety=REFUSALS, held_out=held_out)
