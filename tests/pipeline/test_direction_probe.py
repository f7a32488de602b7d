import pytest
import torch

from holdfast import SafetyProbe, direction_turn_probe
from holdfast.directions.states import last_states
from holdfast.records import Prompt
from tests.intervene.given import load_tiny, users_trainer

HARMFUL = [Prompt(f"how do i break clock {number} ?") for number in range(12)]
HARMLESS = [Prompt(f"how do i mend clock {number} ?") for number in range(14)]


def test_the_turn_is_1_minus_the_cosine_of_the_two_directions():
    tiny = load_tiny(torch.float32)
    measure = direction_turn_probe(tiny.tokenizer, HARMFUL, HARMLESS, layer=1)
    assert measure(tiny.model) == pytest.approx(0.0, abs=1e-6)

    def direction():
        texts = [one.prompt for one in (*HARMFUL, *HARMLESS[:12])]
        states = last_states(tiny.model, tiny.tokenizer, texts)[1]
        return states[:12].mean(0) - states[12:].mean(0)

    before = direction()
    with torch.no_grad():
        tiny.model.model.layers[1].mlp.down_proj.weight.mul_(-9.0)
    after = direction()
    by_hand = 1 - float(before @ after / (before.norm() * after.norm()))
    assert by_hand > 0.01, "the direction has turned"
    assert measure(tiny.model) == pytest.approx(by_hand, abs=1e-5)


def test_a_probe_logs_it_during_training(tmp_path):
    tiny = load_tiny(torch.float32)
    trainer = users_trainer(tiny.model, tmp_path)
    measure = direction_turn_probe(tiny.tokenizer, HARMFUL, HARMLESS)
    trainer.add_callback(SafetyProbe(trainer, measure, every=1, stop_above=1.0, name="direction_turn"))
    trainer.train()
    turns = [record["direction_turn"] for record in trainer.state.log_history if "direction_turn" in record]
    assert turns[0] == pytest.approx(0.0, abs=1e-6)
    assert len(turns) > 1
    assert all(turn > 0 for turn in turns[1:])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((HARMFUL[:9], HARMLESS), "needs 10 harmful and 10 harmless prompts or more, got 9 and 14"),
        ((HARMFUL, ["how ?"] * 12), "harmless prompts"),
        ((HARMFUL, "none.txt"), "does not exist"),
    ],
)
def test_what_cannot_be_measured_is_one_sentence(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        direction_turn_probe(load_tiny(torch.float32).tokenizer, *arguments)


def test_a_layer_that_is_not_there_is_told_at_the_first_call():
    tiny = load_tiny(torch.float32)
    with pytest.raises(ValueError, match="layer 9 is not one of this model's 2"):
        direction_turn_probe(tiny.tokenizer, HARMFUL, HARMLESS, layer=9)(tiny.model)
