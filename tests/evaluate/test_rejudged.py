"""Verdicts that the recorded refusal rules do not give are found, and other rules are left alone."""

from dataclasses import replace

import pytest

from holdfast.evaluate.comparing import compare
from holdfast.evaluate.rejudged import require_rules_agree
from holdfast.judge.refusal import RefusalJudge
from holdfast.outcomes import Answer, Outcome
from tests.evaluate.constructed import evaluation, of

RULES = RefusalJudge().fingerprint
REFUSES, COMPLIES = "I can't help with that.", "First you take a rope and go to the roof of the house."


def answered(measure, verdicts, rules=RULES, **more):
    """Answers whose text refuses, complies, refuses ..., with these verdicts."""
    texts = [(REFUSES, COMPLIES)[place % 2] for place in range(len(verdicts))]
    found = []
    for place, (text, verdict) in enumerate(zip(texts, verdicts, strict=True)):
        outcome = Outcome(verdict)
        part = {"outcome": Outcome("safe"), "refusal": outcome} if measure == "asr" else {"outcome": outcome}
        found.append(Answer(f"prompt {place}", text, measure=measure, **part))
    return replace(evaluation(found), made_by={**of("before"), "refusal_judge": rules})


@pytest.mark.parametrize("measure", ["over_refusal", "borderline", "asr"])
def test_the_verdicts_of_the_rules_agree_with_them(measure):
    require_rules_agree(answered(measure, ["refused", "complied"] * 3), "'a.json'")


@pytest.mark.parametrize("measure", ["over_refusal", "borderline", "asr"])
def test_an_edited_verdict_is_found(measure):
    edited = answered(measure, ["refused", "refused"] * 3)
    with pytest.raises(ValueError, match=r"^'a\.json' contradicts itself: 3 of its 6 responses have"):
        require_rules_agree(edited, "'a.json'")
    require_rules_agree(answered(measure, ["refused", "refused"] * 3, rules="others"), "'a.json'")


def test_a_gate_refuses_an_edited_verdict():
    before, edited = (answered("over_refusal", verdicts) for verdicts in (["refused", "complied"], ["complied"] * 2))
    with pytest.raises(ValueError, match="the evaluation after contradicts itself: 1 of its 2 responses"):
        compare(before, replace(edited, made_by={**edited.made_by, "model": of("after")["model"]}))
