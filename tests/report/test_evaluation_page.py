"""The page of an evaluation: rates by prompt set, no answers unless given, and hostile text is text."""

import re

import pytest

from holdfast.outcomes import Answer, Evaluation, Outcome, Rate
from holdfast.report.evaluation_page import (
    EvaluationAbout,
    _tables,
    lead,
    measured_rates,
    prompt_set,
    render_evaluation_page,
)
from tests.report.browser import CHROMIUM, browser
from tests.report.sample import HOSTILE

CELL_EDGES = """[...document.querySelectorAll('.headed table')].map(table => [...table.rows].map(row =>
    [...row.cells].slice(1).map(cell => Math.round(cell.getBoundingClientRect().right))))"""
"""Right edges of the cells of each row, without its first cell, table by table."""
SCROLLING = "[...document.querySelectorAll('.scroll')].filter(box => box.scrollWidth > box.clientWidth).length"
"""Number of tables that scroll sideways."""
COMMANDS = """[...document.querySelectorAll('.next code > span')].map(word =>
    [word.getClientRects().length, word.parentNode.scrollWidth > word.parentNode.clientWidth])"""
"""Number of lines of each word of a command that browsers could break, and whether its box scrolls."""
NONE = Rate(None, None, None, 0)
MADE_BY = {
    "model": {"name": "some/model", "fingerprint": "ab" * 32},
    "prompt_sets": {"harmful": [{"name": "mine.txt", "prompts": 50, "sha256": "0"}]},
}


def made(name="some/model", **changes):
    """An evaluation without a judge, with one unscored answer."""
    groups = {"refusal/harmful": Rate(0.5, 0.36, 0.64, 49, 1), "coherence/all": Rate(0.99, 0.95, 1.0, 100)}
    answers = (Answer("forge the key", "no", Outcome("refused"), "refusal"),)
    made_by = MADE_BY | {"model": {"name": name}}
    fields = {"groups": groups, "answers": answers, "made_by": made_by, "perplexity": 3.0, **changes}
    return Evaluation(NONE, Rate(0.02, 0.0, 0.1, 50), NONE, **fields)


def test_the_page_names_the_model_its_rates_and_the_file_of_each_prompt_set():
    page = render_evaluation_page(made(), EvaluationAbout("e.json", (("judge", "the refusal rules"),), ("beware",)))
    assert "<h1>Evaluation of some/<wbr>model</h1>" in page
    harmless = "1 of 50 harmless prompts (0.02 [0.00, 0.10])"
    assert f"The model refuses 24 of 49 harmful prompts (0.50 [0.36, 0.64]) and {harmless}." in page
    assert "<caption>Harmful prompts: mine.txt (50)</caption>" in page
    row = r"refusals of harmful prompts</th><td class=number>0.50</td><td class=number>0.36 to 0.64</td>"
    assert re.search(row + r"<td class=number>49</td><td class=number>1</td>", page)
    for words in ("the refusal rules", "Beware", "holdfast show e.json --prompt TEXT"):
        assert words in re.sub("</?span>", "", page)


def test_no_prompt_and_no_response_is_on_the_page_unless_given():
    page = render_evaluation_page(made())
    assert "forge the key" not in page
    assert "This page holds no prompt and no response, because they may be harmful." in page
    shown = render_evaluation_page(made(), EvaluationAbout(answers=(("Row 1", (("prompt", "forge the key"),)),)))
    assert "forge the key" in shown
    assert "holds no prompt" not in shown


def test_a_perplexity_without_an_interval_and_an_evaluation_without_rates_have_pages():
    assert measured_rates(made())["perplexity"].value == 3.0
    assert "no interval" in render_evaluation_page(made())
    empty = Evaluation(NONE, NONE, NONE, None)
    assert lead(empty) == "No rate of refusals was measured."
    assert "Evaluation of a model without a name" in render_evaluation_page(empty)


@pytest.mark.parametrize(
    ("name", "of"),
    [
        ("asr", "harmful"),
        ("asr/heldout", "harmful"),
        ("asr_any_of_5", "harmful"),
        ("over_refusal/questions", "questions"),
        ("coherence/borderline", "borderline"),
        ("coherence/all", "all"),
        ("lm_eval/arc_easy/acc", "lm_eval"),
        ("perplexity", "exchanges"),
        ("perplexity/refusals", "refusals"),
        ("something/new", "other"),
    ],
)
def test_each_measure_has_a_prompt_set(name, of):
    assert prompt_set(name) == of


def test_hostile_text_does_nothing():
    groups = {f"asr/{HOSTILE}": Rate(0.5, 0.4, 0.6, 20)}
    about = EvaluationAbout(HOSTILE, ((HOSTILE, HOSTILE),), (HOSTILE,), ((HOSTILE, ((HOSTILE, HOSTILE),)),))
    page = render_evaluation_page(made(HOSTILE, groups=groups), about)
    assert not re.search(r"<script|<img", page)
    assert "default-src 'none'" in page


@pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium: apt-get install chromium")
def test_the_page_is_no_wider_than_a_phone(tmp_path):
    path = tmp_path / "page.html"
    path.write_text(render_evaluation_page(made("m" * 200), EvaluationAbout("f" * 200)), encoding="utf-8")
    with browser(tmp_path / "profile") as tab:
        tab.open(path, 390)
        assert tab.value("document.documentElement.scrollWidth") <= 390


@pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium: apt-get install chromium")
def test_on_a_phone_numbers_stand_under_their_headers_and_no_word_of_a_command_is_broken(tmp_path):
    large = Rate(2.4e9, 1.5e9, 2.9e12, 12800, 12800)
    path = tmp_path / "page.html"
    evaluation = made(perplexity=2.4e9, perplexity_rate=large)
    path.write_text(render_evaluation_page(evaluation, EvaluationAbout("a/folder/" * 9 + "e.json")), encoding="utf-8")
    with browser(tmp_path / "profile") as tab:
        tab.open(path, 390)
        assert tab.value("document.documentElement.scrollWidth") <= 390
        edges = tab.value(CELL_EDGES)
        scrolling = tab.value(SCROLLING)
        commands = tab.value(COMMANDS)
    assert len(edges) > 2
    assert not scrolling, "tables fit the phone"
    assert all(rows == [rows[0]] * len(rows) for rows in edges)
    assert all(number_of_lines == 1 for number_of_lines, _ in commands)
    assert any(scrolls for _, scrolls in commands), "the whole path can be read"


def test_perplexities_are_rounded_with_one_number_of_decimals_and_those_of_refusals_have_a_table_of_their_own():
    rates = {"perplexity": Rate(268215.9, 46518.4, 1546477.2, 16), "perplexity/refusals": Rate(45.23, 2.75, 744.4, 16)}
    (answers, refusals) = _tables({}, rates)
    assert answers.title == "Given responses to harmless prompts"
    assert answers.rows[0][1:3] == ("268216", "46518 to 1.5e+06")
    assert refusals.title == "Given refusals to harmful prompts"
    assert refusals.rows[0][1:3] == ("45.23", "2.75 to 744.40")
