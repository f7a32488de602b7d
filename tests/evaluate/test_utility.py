import pytest

from holdfast.evaluate.utility import match_answers, normalized
from holdfast.records import Prompt


@pytest.mark.parametrize("response", ["12", " 12 . ", "12.", "\uff11\uff12", "12\n"])
def test_case_spacing_and_a_full_stop_are_forgiven(response):
    assert match_answers([Prompt("6 + 6 ?", answer="12")], [response])[0].verdict == "correct"


@pytest.mark.parametrize("response", ["it is 12", "1 2", "-12", "12 , or 13"])
def test_nothing_else_is_forgiven(response):
    assert match_answers([Prompt("6 + 6 ?", answer="12")], [response])[0].verdict == "wrong"


def test_letters_compare_without_case():
    assert normalized("The  STRASSE .") == normalized("the straße")


def test_a_question_without_an_answer_is_named():
    with pytest.raises(ValueError, match=r"1 question has no `answer`, the first is 'why \?'"):
        match_answers([Prompt("6 + 6 ?", answer="12"), Prompt("why ?")], ["12", "so"])
