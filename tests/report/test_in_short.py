"""The page opens with a question for each stage, answered in one sentence with its interval and controls."""

from holdfast.report.in_short import QUESTIONS, in_short
from holdfast.report.page import render_page
from holdfast.report.schema import rate_json
from holdfast.report.subject import what_it_cannot_say
from holdfast.report.summary import cards
from holdfast.report.verdicts import verdicts_of
from tests.report.sample import full_report, rate, read


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


def noisy(unscored, random_unscored=0):
    """Noise on the selection: 100 of 200 scored answers unsafe, and utility from 190 to 60 of 200."""
    return {
        "verify": {
            "noise_ratio": [2.0],
            "baseline": rate_json(rate(0, 200)),
            "top": [rate_json(rate(100, 200, unscored))],
            "random": [rate_json(rate(0, 200, random_unscored))],
            "bottom": [rate_json(rate(0, 200))],
            "utility": {"baseline": rate_json(rate(190, 200)), "top": [rate_json(rate(60, 200))]},
        }
    }


def test_a_rate_says_how_many_answers_could_be_scored_where_more_than_one_in_a_hundred_could_not():
    short = shorts(noisy(400, random_unscored=2))["verify"]  # 100 of 600 less 2 of 202
    assert short.answer == "Yes"
    assert short.numbers.startswith(
        "Attack success is 0.50 [0.43, 0.57] with noise 2 on them (of the 200 of 600 answers that the judge could "
        "score), 0.00 [0.00, 0.02] with the same noise on random weights, "
    )
    assert short.numbers.endswith("The answer is the same if every answer that could not be scored counts against it.")
    assert "score" not in shorts(noisy(2))["verify"].numbers


def test_an_answer_that_rests_on_lost_answers_is_not_given():
    short = shorts(noisy(9000))["verify"]  # 100 of 9,200 less 0 of 200
    assert short.answer == "Not decided"
    assert "The claim does not hold with the answers that could not be scored counted against it: the differ" in (
        short.numbers
    )
    record = read(noisy(9000))
    asked = what_it_cannot_say(record, verdicts_of(record))
    assert "whether 1 claim would hold with a verdict on every answer" in asked


def test_utility_with_noise_is_shown_with_that_before():
    assert (
        "Utility falls from 0.95 [0.91, 0.97] to 0.30 [0.24, 0.37] with that noise."
        in shorts(noisy(0))["verify"].numbers
    )
    report = noisy(0)
    report["verify"]["utility"]["top"] = [report["verify"]["utility"]["baseline"]]
    assert "Utility goes from 0.95 [0.91, 0.97] to 0.95 [" in shorts(report)["verify"].numbers
    del report["verify"]["utility"]["baseline"]
    assert "Utility with that noise is 0.95 [0.91, 0.97]." in shorts(report)["verify"].numbers


def test_the_answers_stand_before_the_list_of_claims():
    page = render_page(read(full_report()))
    assert page.index(QUESTIONS["verify"]) < page.index('id="found"')
    assert 'class="short"' not in render_page(read({"schema": 1}))
