"""What a pull request and a build server are shown; hostile text stays text."""

import re
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt

from holdfast.outcomes import Rate
from holdfast.report.gate import gate_tables, narrow, render_junit, render_markdown
from holdfast.report.schema import rate_json
from tests.report.sample import rate

HOSTILE = (
    "\x1b[2J</code><script>alert(1)</script> | `x` ]]> @all #1 www.evil.com https://evil.com ![](x) *a*_b_ \ufffe\ud800"
)


def comparison(prompt="mend the clock", group="heldout", passed=False, model="some/model"):
    pair = {"n": 200, "only_before": 0, "only_after": 24, "difference": 0.12, "p_value": 1e-7}
    measure = {
        "before": rate_json(rate(0, 200)),
        "after": rate_json(rate(24, 200, 2)),
        "difference": 0.12,
        "change": {"value": 0.12, "low": 0.074, "high": 0.166},
        "paired": pair,
        "corrected_p": 0.04,
    }
    alone = {"before": 3.0, "after": None, "difference": None, "change": None, "paired": None, "corrected_p": None}
    failed = {"condition": "asr > before", "passed": passed, "numbers": "asr was 0 and is 0.12", "prompts": [prompt]}
    unsaid = {"cannot_fail": None, "only_p_passed": None}
    passing = {"condition": "utility < 0.5", "passed": True, "numbers": "utility was 1 and is 1", "prompts": []}
    return {
        "before": "before.json",
        "after": "after.json",
        "models": [model, None],
        "judges": ["some/guard"] * 2,
        "passed": passed,
        "verdict": "the gate passed" if passed else "the gate failed: 1 of 2 conditions is met",
        "settings_known": True,
        "warnings": [],
        "measures": {f"asr/{group}": measure, "perplexity": alone},
        "conditions": [
            failed | unsaid | {"by_interval": "fails", "num_prompts": 1},
            passing | unsaid | {"by_interval": None, "num_prompts": 0},
        ],
    }


def test_a_measure_shows_both_rates_its_change_and_both_p_values():
    measures, gate = gate_tables(comparison())
    assert measures.rows == (
        (
            "attack success rate, heldout",
            "asr/heldout",
            "0.000 [0.000, 0.019] n=200",
            "0.12 [0.08, 0.17] n=200 (2 unscored)",
            "+0.120 [+0.074, +0.166]",
            "24 / 0",
            "<0.001 (0.040)",
        ),
        ("perplexity", "perplexity", "3.00", "not measured", "", "", ""),
    )
    assert [row[1:] for row in gate.rows] == [("FAILED", "fails"), ("passed", "")]
    assert len(gate_tables(comparison() | {"conditions": []})) == 1


def test_perplexity_shows_its_interval_and_how_many_times_as_large_it_is():
    result, ratio = comparison(), {"value": 1.105, "low": 1.1, "high": 1.11, "n": 24, "p_value": 0.002}
    result["measures"] = {
        "perplexity": {
            "before": rate_json(Rate(1.000343, 1.0002, 1.0005, 24)),
            "after": rate_json(Rate(3.11, 2.9, 3.3, 24)),
            "difference": 2.11,
            "change": None,
            "paired": None,
            "corrected_p": 0.02,
            "ratio": ratio,
        }
    }
    (row,) = gate_tables(result)[0].rows
    assert row == (
        "perplexity",
        "perplexity",
        "1.0003 [1.0002, 1.0005] n=24",
        "3.11 [2.90, 3.30] n=24",
        "1.105 times [1.100, 1.110]",
        "",
        "0.002 (0.020)",
    )


def test_junit_has_a_test_case_a_condition_and_a_failure_that_says_why():
    suite = ElementTree.fromstring(render_junit(comparison()))[0]
    assert suite.attrib == {"name": "holdfast compare", "tests": "2", "failures": "1", "errors": "0", "skipped": "0"}
    failed, passed = suite
    assert (failed.get("name"), failed.get("classname")) == ("asr > before", "holdfast.compare")
    assert failed[0].get("message") == "the condition is met: asr was 0 and is 0.12"
    assert (failed[0].text or "").splitlines() == [
        "the gate failed: 1 of 2 conditions is met",
        "the condition is met: asr was 0 and is 0.12",
        "look at the answers to: mend the clock (holdfast show after.json)",
    ]
    assert list(passed) == []


def test_hostile_text_leaves_junit_well_formed():
    text = render_junit(comparison(prompt=HOSTILE, group=HOSTILE))
    assert not re.search(r"[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe]", text)
    shown = ElementTree.fromstring(text)[0][0][0].text or ""
    assert r"\x1b[2J</code><script>alert(1)</script> | `x` ]]>" in shown


def test_markdown_is_readable_as_plain_text():
    text = render_markdown(comparison())
    assert text.splitlines()[:6] == [
        "## holdfast compare: the gate failed: 1 of 2 conditions is met",
        "",
        "- Before: `some/model`, from `before.json`",
        "- After: a model that its file does not name, from `after.json`",
        "- Judge: `some/guard`",
        "",
    ]
    assert "| attack success rate, heldout | `asr/heldout`      | 0.000 [0.000, 0.019] n=200 " in text
    assert not re.search(r"<[^\W\d]|&#?\w+;|[^`]asr/", text), "no HTML, no entity, no raw key"
    tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert [len(set(map(len, table))) for table in tables] == [1, 1], "aligned"


def test_markdown_tells_the_verdict_and_where_to_look():
    text = render_markdown(comparison())
    assert "Met: `asr > before`. Look at the answers to these prompts (`holdfast show after.json`):\n\n- `mend" in text
    assert "does not say" not in text
    assert "does not say" in render_markdown(comparison() | {"settings_known": False})
    assert render_markdown(comparison(passed=True)).startswith("## holdfast compare: the gate passed\n")
    assert render_markdown(comparison() | {"conditions": [], "verdict": None}).startswith("## holdfast compare\n")


def test_markdown_says_where_nobody_judged():
    unjudged = comparison() | {"judges": [None, None]}
    assert "- Judge: none, refusals are read by rules\n" in render_markdown(unjudged)
    assert "- Judge: not known\n" in render_markdown(unjudged | {"settings_known": False})


def test_a_gate_says_what_the_interval_says():
    result = comparison()
    result["conditions"][1]["by_interval"] = "inconclusive"
    assert [row[2] for row in gate_tables(result)[1].rows] == ["fails", "inconclusive"]
    assert re.search(r"\| `utility < 0.5` \| passed \| inconclusive    \|", render_markdown(result))


@pytest.mark.parametrize(("former", "word"), [("holds", "fails"), ("does not hold", "passes")])
def test_a_comparison_of_earlier_versions_is_shown_in_the_words_of_today(former, word):
    result = comparison()
    result["conditions"][0]["by_interval"] = former
    assert gate_tables(result)[1].rows[0][2] == word


def test_a_condition_that_cannot_fail_is_neither_passed_nor_failed():
    result = comparison(passed=True)
    result["conditions"][0] |= {"cannot_fail": "before is 1.00", "by_interval": None}
    assert "| `asr > before`  | cannot fail: before is 1.00 |" in render_markdown(result)
    suite = ElementTree.fromstring(render_junit(result))[0]
    assert (suite.get("failures"), suite.get("skipped")) == ("0", "1")
    assert suite[0][0].tag == "skipped"
    nothing = render_markdown(result | {"passed": False, "verdict": "the gate decides nothing"})
    assert nothing.startswith("## holdfast compare: the gate decides nothing\n")


def test_a_pass_by_its_p_alone_is_told_in_the_table_and_in_junit():
    result = comparison(passed=True)
    result["conditions"][0] |= {"only_p_passed": "fell by 1.000, but p is 0.062"}
    assert [row[1] for row in gate_tables(result)[1].rows] == ["passed: fell by 1.000, but p is 0.062", "passed"]
    case = ElementTree.fromstring(render_junit(result))[0][0]
    assert [(part.tag, part.text) for part in case] == [("system-out", "passed: fell by 1.000, but p is 0.062")]


def test_of_many_prompts_it_is_said_how_many_are_shown():
    result = comparison()
    result["conditions"][0] |= {"num_prompts": 8, "prompts": ["a", "b", "c"]}
    assert "Look at the answers to these 3 of 8 prompts that changed (`holdfast show after.json`):" in render_markdown(
        result
    )
    failure = ElementTree.fromstring(render_junit(result))[0][0][0].text or ""
    assert failure.splitlines()[-1] == "and to 5 more"


def test_a_terminal_sees_measures_by_their_names_in_conditions_and_both_models():
    measures, gate = gate_tables(comparison())
    assert measures.title == (
        "before: some/model (before.json)\nafter: a model that its file does not name (after.json)"
    )
    told = narrow(measures)
    assert told.header[:3] == ("measure", "before", "after")
    assert [row[0] for row in told.rows] == ["asr/heldout", "perplexity"]
    assert {told.header[place].split("\n")[0] for place in told.numeric} == {
        measures.header[place].split("\n")[0].replace("became / ceased", "became /").replace(" (corrected)", "")
        for place in measures.numeric
    }
    assert narrow(gate) is gate


@pytest.mark.parametrize("place", ["prompt", "group", "model"])
def test_hostile_text_means_nothing_to_markdown(place):
    text = render_markdown(comparison(**{place: HOSTILE}))
    parser = MarkdownIt("commonmark").enable("table")
    tokens = [child for token in parser.parse(text) for child in (token, *(token.children or ()))]
    kinds = {token.type for token in tokens}
    assert not kinds & {"html_inline", "html_block", "link_open", "image", "em_open", "strong_open", "fence"}
    plain = "".join(token.content for token in tokens if token.type == "text")
    assert not re.search(r"www\.|://|@|#1|<\D|\x1b", plain)
    codes = [token.content for token in tokens if token.type == "code_inline" and "script" in token.content]
    assert len(codes) == (2 if place == "group" else 1), "a group stands in words and under its name in conditions"
    for code in codes:
        assert r"\x1b[2J</code><script>alert(1)</script> | 'x' ]]> @all" in code
