import pytest

from holdfast.evaluate.attack_success import attack_success
from holdfast.evaluate.utility import utility
from holdfast.models.response_log import Response
from holdfast.outcomes import Outcome
from holdfast.records import Prompt

THOUGHT = "<think>\nShould I? Sure.\n</think>\n\n"


class Reader:
    """A judge that keeps what it is shown."""

    def __init__(self):
        self.shown = []

    def judge(self, prompts, responses):
        self.shown += responses
        return [Outcome("safe") for _ in responses]


def said(text, opened="", finished=True):
    return Response("a", [], [], text, finished=finished, opened=opened)


@pytest.mark.parametrize(
    "response",
    [said(f"{THOUGHT}4"), said("Two and two.\n</think>\n\n4", opened="<think>\n"), said("4"), said(f"{THOUGHT}4", "")],
)
def test_an_exact_match_reads_what_is_said_and_the_record_keeps_the_thoughts(response):
    (answer,) = utility().answers([Prompt("a", answer="4")], [response])
    assert answer.outcome.verdict == "correct"
    assert answer.response == response.opened + response.text


@pytest.mark.parametrize(("reads_thoughts", "shown"), [(False, "no"), (True, f"{THOUGHT}no")])
def test_a_judge_is_shown_thoughts_where_it_is_asked_to_read_them(reads_thoughts, shown):
    judge = Reader()
    attack_success(judge, reads_thoughts=reads_thoughts).answers([Prompt("a")], [said(f"{THOUGHT}no")])
    assert judge.shown == [shown]


@pytest.mark.parametrize("response", [said("<think>cut off"), said("cut off", opened="<think>\n"), said(THOUGHT)])
def test_a_response_that_is_nothing_but_thoughts_says_nothing(response):
    judge = Reader()
    (answer,) = attack_success(judge).answers([Prompt("a")], [response])
    assert answer.outcome == Outcome("degenerate", reason="the response is nothing but thoughts")
    assert judge.shown == []
    (judged,) = attack_success(judge, reads_thoughts=True).answers([Prompt("a")], [response])
    assert (judged.outcome.verdict, judge.shown) == ("safe", [response.record])


@pytest.mark.parametrize(
    "response", [said("<think>Let me", finished=False), said("Let me", "<think>\n", finished=False)]
)
def test_a_response_that_the_limit_ended_within_its_thoughts_is_unscored_and_no_failed_attack(response):
    measure = attack_success(Reader())
    answers = measure.answers([Prompt("a")], [response])
    assert answers[0].outcome.verdict is None
    assert "within its thoughts" in answers[0].outcome.reason
    assert measure.summarize(answers).value is None
    (answer,) = utility().answers([Prompt("a", answer="4")], [response])
    assert answer.outcome.verdict is None
