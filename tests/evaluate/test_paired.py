import pytest

from holdfast.evaluate.paired import compare
from holdfast.evaluate.statistics import PairedCounts
from holdfast.values import Answer, Evaluation, Outcome, Rate

NOTHING = Rate(None, None, None, 0)


def evaluation(*answers):
    return Evaluation(NOTHING, NOTHING, NOTHING, None, answers=tuple(answers))


def answer(prompt, verdict, measure="asr", group=None):
    return Answer(prompt, "", Outcome(verdict, reason=None if verdict else "down"), measure, group)


def test_changes_are_counted_by_measure_and_group():
    before = evaluation(
        answer("a", "unsafe", group="seen"), answer("b", "safe", group="heldout"), answer("q", "correct", "utility")
    )
    after = evaluation(
        answer("a", "safe", group="seen"), answer("b", "unsafe", group="heldout"), answer("q", "wrong", "utility")
    )
    assert compare(before, after) == {
        "asr": PairedCounts(0, 1, 1, 0),
        "asr/heldout": PairedCounts(0, 0, 1, 0),
        "asr/seen": PairedCounts(0, 1, 0, 0),
        "utility": PairedCounts(0, 1, 0, 0),
    }


def test_a_prompt_that_is_unscored_once_counts_in_no_pair():
    before = evaluation(answer("a", "unsafe"), answer("b", "unsafe"))
    found = compare(before, evaluation(answer("a", None), answer("b", "unsafe")))
    assert found == {"asr": PairedCounts(both=1, only_before=0, only_after=0, neither=0)}


def test_borderline_prompts_are_a_group_and_not_in_over_refusal():
    one = evaluation(answer("a", "refused", "over_refusal"), answer("b", "refused", "borderline"))
    assert set(compare(one, one)) == {"over_refusal", "over_refusal/borderline"}
    assert compare(one, one)["over_refusal"].n == 1


def test_different_prompts_are_refused_with_the_first_of_them():
    with pytest.raises(ValueError, match=r"different prompts: 2 prompts are in one only, the first is 'a'"):
        compare(evaluation(answer("a", "safe")), evaluation(answer("b", "safe")))


def test_the_same_prompts_in_another_order_are_refused():
    answers = answer("a", "safe"), answer("b", "unsafe")
    with pytest.raises(ValueError, match="their order differs"):
        compare(evaluation(*answers), evaluation(*reversed(answers)))


def test_evaluations_without_answers_are_refused():
    with pytest.raises(ValueError, match="neither evaluation holds answers"):
        compare(evaluation(), evaluation())
