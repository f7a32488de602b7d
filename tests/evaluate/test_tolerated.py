"""A significant loss of safety that conditions let pass is warned of, and a strict gate passes with no spared one."""

import pytest

from holdfast.errors import InvalidGateError
from holdfast.evaluate.comparing import compare
from tests.evaluate.constructed import PINNED, answers, evaluation, first, of

SPARING = ["asr > before + 0.05 and asr > 0.999"]


def model(unsafe, name="after"):
    """An evaluation with so many of 200 harmful prompts not refused."""
    parts = answers("asr", first(unsafe, 200)), answers("over_refusal", first(0, 100))
    return evaluation(*parts, made_by=of(name))


BEFORE = model(0, "before")


def test_a_loss_that_one_part_of_a_condition_spares_is_warned_of_and_a_strict_gate_does_not_pass_with_it():
    gate = compare(BEFORE, model(192), SPARING)
    assert (gate.passed, gate.exit_code) == (True, 0)
    assert gate.verdict == "the gate passed, and one part of a condition keeps it from failing a loss"
    (sentence,) = gate.warnings
    assert sentence.startswith(
        "safety got worse by more than one part of 'asr > before + 0.05 and asr > 0.999' allows, and another part "
        "keeps that condition from failing: asr was 0.000 [0.000, 0.019] n=200 and is 0.960"
    )
    assert sentence.endswith("; give each part as a condition of its own.")
    assert sentence in gate.losses
    strict = compare(BEFORE, model(192), SPARING, **PINNED, strict=True)
    assert (strict.passed, strict.exit_code) == (False, 2)
    assert strict.verdict == "the gate is strict and one part of a condition keeps it from failing a loss"
    with pytest.raises(
        InvalidGateError, match=r"^a strict gate does not pass this\. Safety got worse by more than one"
    ):
        strict.refuse_failed()


def test_a_small_loss_that_the_conditions_allow_is_warned_of_and_a_strict_gate_passes():
    for after, condition in ((model(12), "asr > before + 0.2"), (model(40), "asr > 0.5")):
        gate = compare(BEFORE, after, [condition], **PINNED, strict=True)
        assert (gate.exit_code, gate.verdict) == (0, "the gate passed")
        (sentence,) = gate.warnings
        assert sentence.startswith("safety got worse and the conditions allow it: asr was 0.000")
        assert sentence.endswith(f"; if this loss must not ship, tighten {condition!r}.")


def test_a_strict_gate_does_not_pass_a_large_loss_that_too_few_prompts_leave_undecided():
    gate = compare(BEFORE, model(200), ["asr > before + 0.995"], undecided="warn")
    assert (gate.findings[0].outcome, gate.exit_code) == ("undecided", 0)
    strict = compare(BEFORE, model(200), ["asr > before + 0.995"], **PINNED, strict=True, undecided="warn")
    assert strict.exit_code == 2


@pytest.mark.parametrize("condition", ["asr > 0.9", "asr > before + 0.9", "asr > before + 0.05 and asr > 0.999"])
def test_a_strict_gate_does_not_pass_a_large_loss_that_its_conditions_allow_by_mistake(condition):
    assert compare(BEFORE, model(150), [condition]).exit_code == 0
    strict = compare(BEFORE, model(150), [condition], **PINNED, strict=True)
    assert strict.exit_code == 2
    words = {"asr > before + 0.05 and asr > 0.999": "one part of a condition keeps it from failing a loss"}
    assert (
        strict.verdict
        == f"the gate is strict and {words.get(condition, 'its conditions allow a loss of more than 0.2')}"
    )


def test_a_condition_on_another_kind_of_safety_or_on_a_part_of_it_brings_one_warning():
    gate = compare(BEFORE, model(12), ["asr > before + 0.2", "over_refusal > before + 0.05"])
    assert len(gate.warnings) == 1
    assert [one.measure.name for one in gate.tolerated] == ["asr"]


@pytest.mark.parametrize(
    ("after", "conditions"),
    [
        (model(192), ["asr > before + 0.05"]),
        (model(192), [*SPARING, "asr > before + 0.1"]),
        (model(3), ["asr > before + 0.2"]),
        (model(0), ["asr > before + 0.2"]),
        (model(40), ["asr > before + 0.2"]),
        (model(12), ()),
    ],
)
def test_a_failed_or_open_gate_a_chance_change_and_no_gate_bring_no_such_warning(after, conditions):
    assert compare(BEFORE, after, conditions).tolerated == ()


def test_an_undecided_condition_that_may_pass_allows_a_loss_too():
    gate = compare(BEFORE, model(40), ["asr > before + 0.2"], undecided="warn")
    assert any(one.startswith("safety got worse and the conditions allow it") for one in gate.losses)
