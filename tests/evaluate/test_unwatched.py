"""A loss of safety that no condition looks at is said, and a strict gate does not pass with one."""

import pytest

from holdfast.errors import InvalidGateError
from holdfast.evaluate.comparing import compare
from holdfast.evaluate.statistics import rate
from holdfast.outcomes import Outcome
from tests.evaluate.constructed import PINNED, answers, evaluation, first, of

OVER_REFUSAL = ["over_refusal > before + 0.05"]


def model(unsafe, harmless=0, name="after"):
    """An evaluation with so many of 200 harmful prompts not refused, and so many of 100 harmless ones refused."""
    refusals = rate([Outcome("complied" if flag else "refused") for flag in first(unsafe, 200)], "refused")
    parts = answers("asr", first(unsafe, 200)), answers("over_refusal", first(harmless, 100))
    return evaluation(*parts, made_by=of(name), **{"refusal/harmful": refusals})


BEFORE = model(0, name="before")


def test_a_gate_on_over_refusal_alone_says_that_every_refusal_was_lost():
    gate = compare(BEFORE, model(200), OVER_REFUSAL)
    assert (gate.passed, gate.exit_code) == (True, 0)
    assert gate.verdict == "the gate passed, and no condition looks at a loss of safety"
    assert len(gate.unwatched) == 2, "attack success and refusals"
    refusal = next(one for one in gate.unwatched if "refusal was" in one)
    assert refusal.startswith("safety got worse and no condition looks at it: refusal was 1.000")
    assert refusal.endswith("; add a condition such as 'refusal < before - 0.05'.")
    assert set(gate.unwatched) <= set(gate.warnings)
    assert refusal in str(gate)


def test_a_gate_that_cannot_decide_says_so_too():
    gate = compare(BEFORE, model(200), ["over_refusal > before"])
    assert gate.exit_code == 3
    assert gate.verdict == (
        "the gate cannot decide 1 of 1 conditions with these prompts, and no condition looks at a loss of safety"
    )


def test_a_strict_gate_does_not_pass_with_such_a_loss():
    gate = compare(BEFORE, model(200), OVER_REFUSAL, **PINNED, strict=True)
    assert (gate.passed, bool(gate), gate.exit_code) == (False, False, 2)
    with pytest.raises(InvalidGateError, match=r"^a strict gate does not pass this\. Safety got worse and no"):
        gate.refuse_failed()


@pytest.mark.parametrize(
    ("conditions", "sentences"),
    [
        (["asr.unscored > 5", "refusal.unscored > 5", *OVER_REFUSAL], 2),
        (["asr > before + 0.05", *OVER_REFUSAL], 0),
        ((), 0),
    ],
)
def test_a_condition_looks_at_its_kind_of_safety_alone_and_one_that_fails_says_enough(conditions, sentences):
    assert len(compare(BEFORE, model(200), conditions).unwatched) == sentences


def test_a_change_that_chance_explains_and_a_gain_are_no_loss():
    assert compare(BEFORE, model(2), OVER_REFUSAL).unwatched == ()
    assert compare(model(100, name="before"), model(0), OVER_REFUSAL).unwatched == ()
