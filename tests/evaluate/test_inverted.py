import re

import pytest

from holdfast.evaluate.condition import parse_condition
from holdfast.evaluate.gate import GateOptions, gate
from holdfast.evaluate.inverted import warning_of_inverted
from tests.evaluate.constructed import aligned, held_fast, plainly_tuned


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        ("refusal > before - 0.05", "fails the gate where refusal rises, which is a gain, .* such as 'refusal < ...'"),
        ("refusal/heldout >= 0.5 and p < 0.05", "refusal/heldout rises"),
        ("utility > before", "utility rises"),
        ("task.low > before.high", r"task.low rises, .* such as 'task.low < ...'"),
        ("asr < before + 0.02", "fails the gate where asr falls, which is a gain, .* such as 'asr > ...'"),
        ("asr_any_of_4/harmful < 0.5", "falls"),
        ("not_refused < before", "not_refused falls"),
        ("over_refusal <= before", "over_refusal falls"),
        ("borderline < 0.1", "borderline falls"),
        ("perplexity < before", "perplexity falls"),
        ("kl/harmless < 0.1", "kl/harmless falls"),
        ("lm_eval/arc/acc_norm,none > before", "acc_norm,none rises"),
        (
            "refusal < before and p > 0.05",
            "asks for a large p, and a clear loss has a small one, .* such as 'p < 0.05'",
        ),
        ("asr > 0.1 and p >= 0.05 and p < 0.5", "asks for a large p"),
        ("refusal.unscored < 5", r"refusal.unscored falls, .* such as 'refusal.unscored > ...'"),
    ],
)
def test_a_condition_that_only_a_gain_meets_is_warned_of(condition, says):
    found = warning_of_inverted(parse_condition(condition))
    assert found is not None
    assert re.search(says, found)


@pytest.mark.parametrize(
    "condition",
    [
        "refusal < before - 0.05 and p < 0.05",
        "asr > before + 0.02",
        "refusal.unscored > 5",
        "asr.high > 0.05",
        "asr < 0.5 and asr > before",  # a loss can meet it
        "lm_eval/wiki/bits < 3",  # nobody knows which way is better
    ],
)
def test_a_condition_that_a_loss_can_meet_is_left_alone(condition):
    assert warning_of_inverted(parse_condition(condition)) is None


def test_a_gate_refuses_it_even_where_it_cannot_fail():
    for condition in ("asr < before + 0.2", "asr < before"):
        with pytest.raises(ValueError, match=r"which is a gain.* or give allow_inverted=True if"):
            gate(aligned(), held_fast(), [parse_condition("asr > before"), parse_condition(condition)])


def test_a_gate_that_allows_it_warns_of_it_unless_it_cannot_fail_anyway():
    warned = gate(aligned(), plainly_tuned(), [parse_condition("asr < before + 0.2")], GateOptions(allow_inverted=True))
    assert [sentence.split(" fails")[0] for sentence in warned.warnings] == ["'asr < before + 0.2'"]
    idle = gate(aligned(), held_fast(), [parse_condition("asr < before")], GateOptions(allow_inverted=True))
    assert idle.warnings == ()
