"""Right answers within longer responses are counted beside the exact matches, and only many of them are told."""

import pytest

from holdfast.evaluate.contained import warning_of_contained
from holdfast.outcomes import Answer, Outcome
from holdfast.records import Prompt

QUESTIONS = [Prompt(f"question {place}", answer="Paris") for place in range(8)]
LONG, EQUAL, WRONG = "The capital of France is Paris.", "paris.", "Parisian"


def told(*responses):
    answers = [
        Answer(question.prompt, response, Outcome("correct" if response == EQUAL else "wrong"), "utility")
        for question, response in zip(QUESTIONS, responses, strict=True)
    ]
    return warning_of_contained(QUESTIONS, answers, "utility")


def test_many_contained_answers_are_told_with_both_counts():
    assert told(*[LONG] * 5, *[WRONG] * 3).startswith(
        "0 of 8 responses equal the right answer, 5 contain it; utility is exact match."
    )
    assert told(*[EQUAL] * 2, *[LONG] * 3, *[WRONG] * 3).startswith(
        "2 of 8 responses equal the right answer, 5 contain"
    )


def test_one_pair_is_quoted_and_a_long_one_is_cut():
    said = str(told(*[WRONG] * 3, *[LONG] * 5))
    assert "the answer 'paris' was expected, and the response 'the capital of france is paris' counts as wrong" in said
    assert "write the answers as the model words them" in said
    assert f"the response '{('paris ' * 20)[:80]}...' counts" in str(told(*["Paris " * 20] * 8))


@pytest.mark.parametrize(
    "responses",
    [
        [WRONG] * 8,  # the answer is only a part of another word
        [LONG] + [WRONG] * 7,  # one of eight
        [EQUAL] * 4 + [LONG] * 4,  # no more than equal it
        ["<think>Paris</think>London"] * 8,
    ],
)
def test_few_contained_answers_are_not_told(responses):
    assert told(*responses) is None


def test_responses_of_another_measure_or_without_a_verdict_do_not_count():
    unscored = [Answer(question.prompt, LONG, Outcome.unscored("down"), "utility") for question in QUESTIONS]
    of_task = [Answer(question.prompt, LONG, Outcome("wrong"), "task") for question in QUESTIONS]
    assert warning_of_contained(QUESTIONS, unscored + of_task, "utility") is None
    assert "task is exact match" in str(warning_of_contained(QUESTIONS, of_task, "task"))
