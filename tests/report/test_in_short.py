"""The page opens with a question for each stage, answered in one sentence with its interval and controls."""

from holdfast.report.in_short import QUESTIONS, in_short
from holdfast.report.page import render_page
from holdfast.report.summary import cards
from holdfast.report.verdicts import verdicts_of
from tests.report.sample import full_report, read


def shorts(report):
    record = read(report)
    return {short.stage: short for short in in_short(record, cards(record), verdicts_of(record))}


def test_every_stage_has_its_question_and_the_answer_of_its_claim():
    found = shorts(full_report())
    assert {stage: short.question for stage, short in found.items()} == QUESTIONS
    assert found["adapt"].answer == "No", "held minus start is +0.067 [+0.042, +0.091], above the bar of 0.01"
    assert found["adapt"].numbers.startswith("Attack success is 0.08 [")
    assert "with the selected weights held, " in found["adapt"].numbers
    assert "0.30 [" in found["adapt"].numbers, "nothing held"
    assert " n=" not in found["adapt"].numbers


def test_controls_that_were_not_measured_are_left_out():
    report = full_report()
    del report["adapt"]["random_protected"]
    assert "random" not in shorts(report)["adapt"].numbers
    del report["adapt"]["protected"]
    assert "adapt" not in shorts(report)


def test_the_answers_stand_before_the_list_of_claims():
    page = render_page(read(full_report()))
    assert page.index(QUESTIONS["verify"]) < page.index('id="found"')
    assert 'class="short"' not in render_page(read({"schema": 1}))
