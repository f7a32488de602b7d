"""What a pull request and a build server are shown; hostile text stays text."""

import re
from html import unescape
from xml.etree import ElementTree

import pytest

from holdfast.report.gate import gate_tables, render_junit, render_markdown
from holdfast.report.schema import rate_json
from holdfast.values import Rate
from tests.report.sample import rate

HOSTILE = (
    "\x1b[2J</code><script>alert(1)</script> | `x` ]]> @all #1 www.evil.com https://evil.com ![](x) *a*_b_ \ufffe\ud800"
)


def comparison(prompt="mend the clock", group="heldout", passed=False):
    pair = {"n": 200, "only_before": 0, "only_after": 24, "difference": 0.12, "p_value": 1e-7}
    measure = {
        "before": rate_json(rate(0, 200)),
        "after": rate_json(rate(24, 200, 2)),
        "difference": 0.12,
        "paired": pair,
        "corrected_p": 0.04,
    }
    alone = {"before": 3.0, "after": None, "difference": None, "paired": None, "corrected_p": None}
    return {
        "before": "before.json",
        "after": "after.json",
        "passed": passed,
        "settings_known": True,
        "measures": {f"asr/{group}": measure, "perplexity": alone},
        "conditions": [
            {"condition": "asr > before", "passed": passed, "numbers": "asr was 0 and is 0.12", "prompts": [prompt]},
            {"condition": "utility < 0.5", "passed": True, "numbers": "utility was 1 and is 1", "prompts": []},
        ],
    }


def test_a_measure_shows_both_rates_its_change_and_both_p_values():
    measures, gate = gate_tables(comparison())
    assert measures.rows == (
        (
            "attack success rate, heldout",
            "0.000 [0.000, 0.019] n=200",
            "0.12 [0.08, 0.17] n=200 (2 unscored)",
            "+0.120 (24 / 0)",
            "<0.001 (0.040)",
        ),
        ("perplexity", "3.00", "not measured", "", ""),
    )
    assert [row[1] for row in gate.rows] == ["FAILED", "passed"]
    assert len(gate_tables(comparison() | {"conditions": []})) == 1


def test_perplexity_shows_its_interval_and_how_many_times_as_large_it_is():
    result, ratio = comparison(), {"value": 1.105, "low": 1.1, "high": 1.11, "n": 24, "p_value": 0.002}
    result["measures"] = {
        "perplexity": {
            "before": rate_json(Rate(1.000343, 1.0002, 1.0005, 24)),
            "after": rate_json(Rate(3.11, 2.9, 3.3, 24)),
            "difference": 2.11,
            "paired": None,
            "corrected_p": 0.02,
            "ratio": ratio,
        }
    }
    (row,) = gate_tables(result)[0].rows
    assert row == (
        "perplexity",
        "1.0003 [1.0002, 1.0005] n=24",
        "3.11 [2.90, 3.30] n=24",
        "1.105 times [1.100, 1.110]",
        "0.002 (0.020)",
    )


def test_junit_has_a_test_case_a_condition_and_a_failure_that_says_why():
    suite = ElementTree.fromstring(render_junit(comparison()))[0]
    assert suite.attrib == {"name": "holdfast compare", "tests": "2", "failures": "1", "errors": "0", "skipped": "0"}
    failed, passed = suite
    assert (failed.get("name"), failed.get("classname")) == ("asr > before", "holdfast.compare")
    assert failed[0].get("message") == "asr was 0 and is 0.12"
    assert "look at the answers to: mend the clock" in (failed[0].text or "")
    assert list(passed) == []


def test_hostile_text_leaves_junit_well_formed():
    text = render_junit(comparison(prompt=HOSTILE, group=HOSTILE))
    assert not re.search(r"[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe]", text)
    shown = ElementTree.fromstring(text)[0][0][0].text or ""
    assert r"\x1b[2J</code><script>alert(1)</script> | `x` ]]>" in shown


def test_markdown_tells_the_verdict_and_where_to_look():
    text = render_markdown(comparison())
    assert text.startswith("## holdfast compare: 1 of 2 conditions failed\n")
    assert "| attack success rate, heldout | 0.000 &#91;0.000, 0.019&#93; n=200 |" in text
    assert "- <code>mend the clock</code>" in text
    assert "does not say" not in text
    assert "does not say" in render_markdown(comparison() | {"settings_known": False})
    assert render_markdown(comparison(passed=True)).startswith("## holdfast compare: passed\n")
    assert render_markdown(comparison() | {"conditions": []}).startswith("## holdfast compare\n")


@pytest.mark.parametrize("place", ["prompt", "group"])
def test_hostile_text_means_nothing_to_markdown(place):
    plain, hostile = render_markdown(comparison()), render_markdown(comparison(**{place: HOSTILE}))
    # The same marks, line for line, as with harmless text: every other one was written as its number.
    skeleton = [re.sub(r"&#\d+;|[\w ,;=/.]", "", text).splitlines() for text in (plain, hostile)]
    assert skeleton[0] == skeleton[1]
    assert r"\x1b[2J</code><script>alert(1)</script> | `x` ]]> @all" in unescape(hostile)
    assert not re.search(r"www\.|://|@all|#1 ", hostile)
