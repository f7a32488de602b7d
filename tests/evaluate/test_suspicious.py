"""A gate warns of a file that may be another model's, and refuses one that lacks the record a condition needs."""

from dataclasses import replace

import pytest

from holdfast.evaluate.condition import parse_condition
from holdfast.evaluate.suspicious import (
    FEWEST_RESPONSES,
    refuse_unknown_rules,
    refuse_unproven_copy,
    warning_of_same_responses,
    warning_of_same_texts,
)
from tests.evaluate.constructed import answers, evaluation


def of_model(fingerprint, response="I can't help with that.", n=FEWEST_RESPONSES, **made_by):
    made = {"model": {"name": "m", "fingerprint": fingerprint}, **made_by}
    given = [replace(one, response=response) for one in answers("asr", [False] * n)]
    return replace(evaluation(given), made_by=made)


def test_the_same_responses_under_two_fingerprints_are_warned_of():
    warning = warning_of_same_responses(of_model("a" * 64), of_model("b" * 64))
    assert warning is not None
    assert warning.startswith(f"all {FEWEST_RESPONSES} responses of the two models are the same to the letter")


@pytest.mark.parametrize(
    "after",
    [
        of_model("b" * 64, "I won't."),
        of_model("a" * 64),  # the same model: refused elsewhere
        of_model("b" * 64, n=FEWEST_RESPONSES - 1),
    ],
)
def test_nothing_is_warned_of_where_files_differ_or_say_too_little(after):
    assert warning_of_same_responses(of_model("a" * 64, n=len(after.answers)), after) is None


@pytest.mark.parametrize("made_by", [{}, {"model": {"name": "other"}}])
def test_the_same_responses_without_a_fingerprint_are_warned_of_and_refused_where_the_gate_is_strict(made_by):
    before, after = of_model("a" * 64), replace(of_model("b" * 64), made_by=made_by)
    assert "may hold the answers of the first model" in warning_of_same_responses(before, after)
    with pytest.raises(ValueError, match="no two fingerprints show that it does not; evaluate the checkpoint"):
        refuse_unproven_copy(before, after)
    refuse_unproven_copy(before, of_model("b" * 64))


@pytest.mark.parametrize(("known", "which"), [((True, False), "second"), ((False, True), "first")])
def test_a_condition_on_coherence_needs_the_rules_of_both(known, which):
    sides = [of_model("a" * 64, **({"coherence": {"rules": "c" * 64}} if one else {})) for one in known]
    with pytest.raises(ValueError, match=f"the {which} evaluation does not record the rules"):
        refuse_unknown_rules(*sides, [parse_condition("coherence < before - 0.05")])
    refuse_unknown_rules(*sides, [parse_condition("refusal < before - 0.05")])
    refuse_unknown_rules(sides[0], sides[0], [parse_condition("coherence < before - 0.05")])


def test_two_logs_with_the_same_responses_are_warned_of_and_logs_without_text_are_not():
    same = [(f"answer {place}", f"answer {place}") for place in range(FEWEST_RESPONSES)]
    assert warning_of_same_texts(same).startswith(f"all {FEWEST_RESPONSES} responses of the two logs are the same")
    for other in (same[1:], [*same[1:], ("a", "b")], [("", "")] * FEWEST_RESPONSES):
        assert warning_of_same_texts(other) is None
