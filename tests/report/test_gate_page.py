"""The page of a gate: the verdict first, conditions in words, no response unless asked for, and no hostile text."""

import re
from dataclasses import replace

import pytest

from holdfast.outcomes import Rate
from holdfast.report.comparison import ComparedMeasure
from holdfast.report.gate_page import render_gate_page
from holdfast.report.records import Judges
from tests.report.browser import CHROMIUM, browser
from tests.report.test_gate import HOSTILE, WHY, comparison, undecided, with_first

SMALLEST_LETTERS = """Math.min(...[...document.querySelectorAll('svg text')].map(
    one => parseFloat(getComputedStyle(one).fontSize) * one.getScreenCTM().a))"""
"""Size in pixels of the smallest letters in the figures."""


def text_of(page):
    """The words of a page without its marks and styles."""
    body = page.partition("</style>")[2]
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


def test_the_page_begins_with_the_verdict_and_the_exit_code_in_one_sentence():
    page = render_gate_page(replace(comparison(), exit_code=1))
    assert '<h1 class="sign fails">The gate failed: attack success rate changed by +0.120 (exit code 1).</h1>' in page
    named = (
        "Before some/model before.json · fingerprint abababababab After a model that its file does not name after.json"
    )
    assert named in text_of(page)
    assert "at least +0.084, at most +0.165" in text_of(page).partition("What each condition says")[0]
    nothing = render_gate_page(replace(comparison(), conditions=(), verdict=None))
    assert ">Two checkpoints are compared, and nothing is gated (exit code 0).</h1>" in nothing
    assert "What each condition says" not in nothing


def test_the_long_numbers_of_a_condition_are_folded():
    assert '<details class="numbers"><summary>All numbers of asr</summary><p>asr was 0 and is' in render_gate_page(
        comparison()
    )


@pytest.mark.parametrize(("exit_code", "kind"), [(0, "holds"), (1, "fails"), (2, "unsure"), (3, "unsure")])
def test_the_verdict_has_the_colour_and_the_sign_of_its_exit_code(exit_code, kind):
    page = render_gate_page(replace(comparison(), exit_code=exit_code))
    assert f'<div class="decision {kind}">' in page
    assert f'<h1 class="sign {kind}">' in page


def test_the_head_names_each_condition_with_its_outcome():
    head = render_gate_page(replace(comparison(), exit_code=1)).partition("</header>")[0]
    assert '<span class="sign fails">Failed</span> <span><span class="code">asr &gt; before</span>' in head


def test_a_figure_tells_its_numbers_to_readers_who_cannot_see_it():
    page = render_gate_page(comparison())
    numbers = "measured +0.120, at least +0.084, at most +0.165, threshold +0.000"
    assert f'aria-label="attack success rate: {numbers}"' in page


def test_a_condition_is_said_in_words_with_its_range_and_a_figure():
    text = text_of(page := render_gate_page(comparison()))
    assert (
        "Failed asr &gt; before Attack success rate: the change is +0.120, at least +0.084 and at most +0.165." in text
    )
    assert "The whole range lies above the threshold of +0.000, so the condition is met." in text
    assert page.count('class="interval"') == 1
    passing = text_of(render_gate_page(comparison(passed=True)))
    assert "The whole range lies below the threshold of +0.000, so the condition is not met." in passing


def test_an_undecided_condition_says_why_and_how_to_decide_it():
    result = with_first(
        replace(undecided("fail"), exit_code=3), remedies=("give more prompts", "allow a larger change")
    )
    text = text_of(render_gate_page(result))
    assert f"These prompts cannot decide it: {WHY}." in text
    assert "To decide 1 undecided condition: give more prompts, allow a larger change or accept what" in text


def test_a_condition_that_cannot_fail_says_why():
    text = text_of(render_gate_page(with_first(comparison(passed=True), cannot_fail="before is 1.00")))
    assert (
        "Cannot fail asr &gt; before Whatever the new model does, this condition cannot fail: before is 1.00." in text
    )
    assert "Replace the conditions that cannot fail" in text


def test_no_prompt_and_no_response_is_on_the_page_unless_asked_for():
    secret = comparison(prompt="forge the key")
    page = render_gate_page(secret)
    assert "forge the key" not in page
    assert "1 prompt got worse and 0 got better. This page lists none, because they may be harmful" in page
    safe = render_gate_page(with_first(secret, measure="borderline"))
    assert "Below is 1 prompt that got worse, with both responses." in safe, "borderline prompts are safe"
    asked = render_gate_page(secret, responses=20)
    assert asked.count("forge the key") == 2, "as the prompt and as a response"
    assert "Below is 1 prompt that got worse, with both responses." in asked


def test_all_measures_stand_in_a_table_and_shares_of_a_whole_set_in_a_figure():
    whole = comparison().measures["asr/heldout"]
    beyond = ComparedMeasure(
        before=Rate(1.5, 1.2, 1.8, 9), after=None, difference=None, change=None, paired=None, corrected_p=None
    )
    result = replace(comparison(), measures={"asr": whole, "asr/heldout": whole, "kl/harmless": beyond})
    page = render_gate_page(result)
    assert 'aria-label="Attack success of before and after, with 95% intervals"' in page
    assert "0.12 [0.08, 0.17] n=200 (2 unscored)" in page
    assert page.count("of before and after, with 95% intervals") == 1, "no category, and no number beyond an axis"


def test_warnings_judges_and_both_models_with_their_fingerprints_are_named():
    judges = Judges(("The judge `g` has no card.",), ("measure", "before"), (("asr", "0.1"),))
    page = render_gate_page(replace(comparison(), warnings=("something is odd.",)), judges=judges)
    text = text_of(page)
    for words in ("Something is odd.", "ab" * 32, "before.json"):
        assert words in text
    assert '<span class="code">g</span> has no card' in page
    assert "Corrected rates" in text
    assert "2026-12-01T10:04:03+00:00" in text


@pytest.mark.parametrize("place", ["prompt", "group", "model", "warning"])
def test_hostile_text_does_nothing(place):
    result = replace(comparison(), warnings=(HOSTILE,)) if place == "warning" else comparison(**{place: HOSTILE})
    page = render_gate_page(result, responses=20)
    assert "alert(1)" in page
    assert "<script" not in page
    assert not re.search(r"<(img|a) [^>]*evil", page)
    if place != "prompt":  # a prompt and its responses keep their lines
        assert "\x1b" not in page
    assert "default-src 'none'" in page


@pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium: apt-get install chromium")
@pytest.mark.parametrize("width", [390, pytest.param(1440, marks=pytest.mark.slow)])
def test_the_page_is_no_wider_than_its_window_and_asks_for_nothing(width, tmp_path):
    path = tmp_path / "gate.html"
    path.write_text(render_gate_page(comparison(prompt="y" * 500, model="m" * 200), responses=20), encoding="utf-8")
    with browser(tmp_path / "profile") as tab:
        tab.open(path, width)
        assert tab.value("document.documentElement.scrollWidth") <= width
        assert [event["request"]["url"] for event in tab.events("Network.requestWillBeSent")] == [path.as_uri()]
        assert tab.events("Log.entryAdded", "Runtime.exceptionThrown") == []
        assert tab.value("[...document.querySelectorAll('.scroll')].every(one => one.scrollWidth <= one.clientWidth)")
        assert tab.value(SMALLEST_LETTERS) >= 10.5
        sign = tab.value("getComputedStyle(document.querySelector('.conditions .fails .sign'), '::before').content")
        assert "✗" in sign, "colour alone says nothing"
