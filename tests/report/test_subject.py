import pytest

from holdfast.report.page import page_context, render_page
from holdfast.report.subject import (
    model_name,
    num_weights,
    own_mask_of_set,
    short_name,
    toy_words,
    what_it_cannot_say,
    what_was_done,
)
from holdfast.report.verdicts import verdicts_of
from tests.report.sample import full_report, read


def report_on(model, judge="some/guard", **more):
    config = {"model": model, "judge": judge, "unaligned": "testbed:unaligned", "task": "data/task.jsonl", **more}
    report = full_report()
    return report | {"provenance": {"config": config}}


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", "meta-llama/Llama-3.1-8B-Instruct"),
        ("testbed:aligned", "testbed:aligned"),
        ("/home/somebody/models/mine/", "mine"),
        ("../models/mine", "mine"),
        ("C:\\models\\mine", "mine"),
        ("./models/mine-tuned/model", "mine-tuned"),
        ("./model", "model"),
        ("models/mine", "models/mine"),
        ("/", "/"),
    ],
)
def test_a_model_is_named_without_the_folders_before_it(given, shown):
    assert short_name(given) == shown
    assert model_name(read(report_on(given))) == shown


def test_a_model_that_nobody_named_is_this_model():
    assert model_name(read({"schema": 1})) == "this model"
    assert model_name(read({"locate": {"model": "some/model"}})) == "some/model"


def test_a_built_in_model_is_called_a_toy_with_its_size():
    toy = report_on("testbed:aligned")
    toy["locate"]["num_parameters"] = 1_132_128
    assert toy_words(read(toy)) == (
        "A built-in test model of 1,132,128 weights: a test of the machinery, no evidence about real models."
    )
    assert toy_words(read(toy | {"locate": {}})).startswith("A built-in test model: a test")
    assert toy_words(read(report_on("some/model"))) is None


def test_the_size_of_a_model_in_an_older_report_is_read_off_its_selection():
    assert num_weights(read({"locate": {"num_selected": 50, "share_of_all": 0.01}})) == 5000
    assert num_weights(read({})) is None


def test_what_was_done_is_told_stage_by_stage_as_far_as_it_was_measured():
    assert what_was_done(read(report_on("some/model"))) == [
        "15,570 weights, the top 1%, were selected by their score for safety.",
        "Noise was added to these weights, 5 draws of each strength.",
        "Only these weights were tuned in testbed:unaligned for 100 steps (SET).",
        "The model was fine-tuned on data/task.jsonl for 1,000 steps with these weights held (SPA).",
        "some/guard judged the answers.",
    ]
    assert what_was_done(read({"schema": 1})) == []
    alone = {"locate": {"num_selected": 5, "made_from": {"prompts": "/home/somebody/one.jsonl (4), testbed:two (2)"}}}
    assert what_was_done(read(alone)) == [
        "5 weights were selected by their score for safety on the prompts one.jsonl (4), testbed:two (2)."
    ]
    step = {"schema": 1, "adapt": {"protected": {"asr": None}, "iterations": 1}}
    assert what_was_done(read(step)) == ["The model was fine-tuned on a task for 1 step with these weights held (SPA)."]
    unjudged = report_on("some/model") | {"safety": "not_refused"}
    assert what_was_done(read(unjudged))[-1].startswith("Rules decided whether each answer refuses")


def own_mask(report, **changes):
    """The report of a run in which SET has a mask of its own."""
    located = report["locate"] | {"model": "some/model", "made_from": {"prompts": "data/harmful.jsonl (64)"}}
    own = located | {"model": "testbed:unaligned", "made_from": {"prompts": "data/refusals.jsonl (60)"}} | changes
    return report | {"locate": located, "enhance": report["enhance"] | {"locate": own}}


def test_the_mask_that_set_trained_is_named_where_it_is_another_one():
    assert what_was_done(read(own_mask(report_on("some/model")))) == [
        "15,570 weights of some/model, the top 1%, were selected by their score for safety on the prompts "
        "data/harmful.jsonl (64).",
        "Noise was added to these weights, 5 draws of each strength.",
        "For SET, 15,570 weights of testbed:unaligned, the top 1%, were selected by their score for safety on the "
        "prompts data/refusals.jsonl (60). Only those were tuned for 100 steps.",
        "The model was fine-tuned on data/task.jsonl for 1,000 steps with the weights selected first held (SPA).",
        "some/guard judged the answers.",
    ]
    once = report_on("some/model")
    once["enhance"] = once["enhance"] | {"locate": once["locate"]}
    assert own_mask_of_set(read(once)) is None
    assert "Only these weights were tuned in testbed:unaligned for 100 steps (SET)." in what_was_done(read(once))


def test_the_maps_show_the_mask_that_set_trained():
    report = own_mask(report_on("some/model"), objective="refusal_likelihood", num_selected=77)
    shown = page_context(read(report))["selections"]
    assert [(one.label, one.model) for one in shown] == [
        ("top 1%: under noise and held by SPA", "some/model"),
        ("safety-only", None),
        ("top 1%: trained by SET", "testbed:unaligned"),
    ]
    page = render_page(read(report))
    assert "There the score is how much the likelihood of the given refusals" in page
    assert "<h3>Top 1%: trained by SET</h3>" in page
    alone = page_context(read(report_on("some/model")))["selections"]
    assert [one.label for one in alone] == ["top 1%", "safety-only"]


def test_what_a_page_cannot_say_begins_with_real_models_where_the_model_is_a_toy():
    report = report_on("testbed:aligned")
    said = what_it_cannot_say(read(report), verdicts_of(read(report)))
    assert said[0] == "anything about real models"
    assert said[-3:] == [
        "whether 1 inconclusive claim would hold with more draws of noise than 5",
        "whether 3 inconclusive claims would hold with more prompts",
        "whether the other inconclusive claim holds, which more prompts would not decide",
    ]
    assert what_it_cannot_say(read(report_on("some/model")), [])[0] == "anything about another model"


def test_the_first_screen_names_the_model_and_says_that_it_is_a_toy():
    page = render_page(read(report_on("testbed:aligned")))
    opening = page.partition("<main>")[0]
    assert "<h1>testbed:aligned</h1>" in opening
    assert "<title>testbed:aligned: holdfast report</title>" in opening
    assert "A built-in test model of" in opening
    assert "A built-in test model" not in render_page(read(report_on("some/model")))


def test_the_first_screen_holds_every_claim_with_its_answer_the_numbers_that_decide_and_why_none_does():
    report = full_report()
    opening = render_page(read(report)).partition("<main>")[0]
    assert opening.count('<span class="says">') == len(verdicts_of(read(report))) == 12
    assert opening.count('<span class="why">The interval includes the bar of ') == 4
    assert '<span class="says">does not hold</span>' in opening
    assert "held minus start: +0.067 [+0.042, +0.091]" in opening
