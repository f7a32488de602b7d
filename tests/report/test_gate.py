"""What a pull request and a build server are shown; hostile text stays text."""

import re
from dataclasses import replace
from html import escape
from xml.etree import ElementTree

import pytest

from holdfast.differences import Difference
from holdfast.outcomes import Rate
from holdfast.report.comparison import (
    ChangedPrompt,
    CheckedCondition,
    ComparedMeasure,
    Comparison,
    ConditionBounds,
    PairedEstimate,
)
from holdfast.report.gate import gate_tables, idle_details, render_junit, table_notes, terminal_tables
from holdfast.report.gate_markdown import render_markdown
from holdfast.report.gate_page import render_gate_page
from holdfast.report.records import Pair
from tests.report.sample import rate

HOSTILE = (
    "\x1b[2J</code><script>alert(1)</script> | `x` ]]> @all #1 www.evil.com https://evil.com ![](x) *a*_b_ \ufffe\ud800"
)
UNSAID = {"cannot_fail": None, "why_undecided": None, "p_fails": None, "p_passes": None}


def comparison(prompt="mend the clock", group="heldout", passed=False, model="some/model"):
    measure = ComparedMeasure(
        before=rate(0, 200),
        after=rate(24, 200, 2),
        difference=0.12,
        change=Difference(0.12, 0.074, 0.166),
        paired=Pair(200, 0, 24, 0.12, 1e-7),
        corrected_p=0.04,
    )
    alone = ComparedMeasure(before=3.0, after=None, difference=None, change=None, paired=None, corrected_p=None)
    failed = CheckedCondition(
        condition="asr > before",
        measure="asr",
        outcome="passes" if passed else "fails",
        passed=passed,
        numbers="asr was 0 and is 0.12",
        prompts=(prompt,),
        changed=(ChangedPrompt(prompt, "not unsafe", "unsafe", ("no", prompt)),),
        num_prompts=1,
        num_worse=1,
        num_better=0,
        bounds=ConditionBounds(0.12, 0.084, 0.165, 0.0, "change", 200, "prompts"),
        **UNSAID,
    )
    passing = CheckedCondition(
        condition="utility < 0.5",
        measure="utility",
        outcome="passes",
        passed=True,
        numbers="utility was 1 and is 1",
        prompts=(),
        changed=(),
        num_prompts=0,
        num_worse=0,
        num_better=0,
        bounds=None,
        **UNSAID,
    )
    return Comparison(
        before="before.json",
        after="after.json",
        compared_at="2026-12-01T10:04:03+00:00",
        models=(model, None),
        fingerprints=("ab" * 32, None),
        versions=("0.1.0", None),
        judges=("some/guard", "some/guard"),
        settings={"responses": "max_new_tokens 256"},
        passed=passed,
        undecided="fail",
        verdict="the gate passed" if passed else "the gate failed: 1 of 2 conditions is met",
        settings_known=True,
        warnings=(),
        measures={f"asr/{group}": measure, "perplexity": alone},
        conditions=(failed, passing),
    )


def with_first(result, **changes):
    """A comparison whose first condition differs."""
    first, *others = result.conditions
    return replace(result, conditions=(replace(first, **changes), *others))


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
    assert [row[1:] for row in gate.rows] == [
        ("FAILED", "+0.120", "+0.084", "+0.165", "+0.000", ""),
        ("passed", "", "", "", "", ""),
    ]
    assert len(gate_tables(replace(comparison(), conditions=()))) == 1


def test_perplexity_shows_its_interval_and_how_many_times_as_large_it_is():
    perplexity = ComparedMeasure(
        before=Rate(1.000343, 1.0002, 1.0005, 24),
        after=Rate(3.11, 2.9, 3.3, 24),
        difference=2.11,
        change=None,
        paired=None,
        corrected_p=0.02,
        ratio=PairedEstimate(1.105, 1.1, 1.11, 24, 0.002),
    )
    result = replace(comparison(), measures={"perplexity": perplexity})
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
    named = {"name": "holdfast compare", "timestamp": "2026-12-01T10:04:03+00:00"}
    assert suite.attrib == {**named, "tests": "2", "failures": "1", "errors": "0", "skipped": "0"}
    assert suite.find("system-err") is None
    failed, passed = suite.findall("testcase")
    assert (failed.get("name"), failed.get("classname")) == ("asr > before", "holdfast.compare")
    assert failed[0].get("message") == "the condition is met: asr was 0 and is 0.12"
    assert (failed[0].text or "").splitlines() == [
        "the condition is met: asr was 0 and is 0.12",
        "1 prompt got worse and 0 got better; look at the answers (holdfast show after.json)",
    ]
    assert [part.tag for part in passed] == ["system-out"]


def test_hostile_text_leaves_junit_well_formed():
    text = render_junit(comparison(prompt=HOSTILE, group=HOSTILE))
    assert not re.search(r"[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe]", text)
    shown = ElementTree.fromstring(text)[0][1][0].text or ""
    assert "alert(1)" not in shown  # reports are public, and quote no prompt


WHY = "it changed by +0.010, at least -0.008 and at most +0.031, and the threshold is +0.020"


def undecided(policy):
    """A comparison whose first condition is undecided."""
    result = replace(comparison(passed=True), undecided=policy, passed=policy != "fail")
    return with_first(result, outcome="undecided", why_undecided=WHY)


@pytest.mark.parametrize(("policy", "tag"), [("fail", "failure"), ("warn", "skipped"), ("pass", "skipped")])
def test_a_condition_that_is_undecided_fails_its_test_case_only_if_the_gate_fails(policy, tag):
    suite = ElementTree.fromstring(render_junit(undecided(policy)))[0]
    assert (suite.get("failures"), suite.get("skipped")) == (("1", "0") if tag == "failure" else ("0", "1"))
    (part,) = suite[1]
    assert part.tag == tag
    assert part.get("message") == f"these prompts cannot decide: asr was 0 and is 0.12; {WHY}"
    assert gate_tables(undecided(policy))[1].rows[0][1] == "UNDECIDED"


def test_a_condition_that_cannot_fail_is_neither_passed_nor_failed():
    result = with_first(comparison(passed=True), cannot_fail="before is 1.00")
    assert gate_tables(result)[1].rows[0][1:] == ("cannot fail: before is 1.00", "", "", "", "", "")
    suite = ElementTree.fromstring(render_junit(result))[0]
    assert (suite.get("failures"), suite.get("skipped")) == ("0", "1")
    assert suite[1][0].tag == "skipped"


def test_an_undecided_case_does_not_begin_with_the_verdict_on_another():
    result = replace(undecided("fail"), verdict="the gate failed: 1 of 2 conditions is met", exit_code=1)
    failure = ElementTree.fromstring(render_junit(result))[0][1][0]
    assert (failure.get("type"), failure.text) == ("undecided", failure.get("message"))


def test_junit_is_red_where_the_gate_decides_nothing():
    result = with_first(replace(comparison(passed=True), passed=False, exit_code=2), cannot_fail="before is 1.00")
    suite = ElementTree.fromstring(render_junit(result))[0]
    assert (suite.get("failures"), suite.get("errors"), suite.get("skipped")) == ("0", "1", "0")
    assert (suite[1][0].tag, suite[1][0].get("message")) == ("error", "cannot fail: before is 1.00")


@pytest.mark.parametrize(("exit_code", "tag"), [(0, "skipped"), (2, "error")])
def test_a_loss_of_safety_that_no_condition_looks_at_is_a_case_of_its_own(exit_code, tag):
    lost = "safety got worse and no condition looks at it: refusal was 1 and is 0"
    result = replace(comparison(passed=True), unwatched=(lost,), exit_code=exit_code)
    suite = ElementTree.fromstring(render_junit(result))[0]
    assert (suite.get("tests"), suite.get("errors")) == ("3", "1" if exit_code else "0")
    assert (suite[3][0].tag, suite[3][0].get("message")) == (tag, lost)


def test_junit_has_the_warnings_after_its_cases():
    suite = ElementTree.fromstring(render_junit(replace(comparison(), warnings=("first", "second \x1b"))))[0]
    assert [part.tag for part in suite] == ["properties", "testcase", "testcase", "system-err"]
    assert (suite.findtext("system-err") or "").splitlines() == ["first", r"second \x1b"]


def test_a_ratio_and_a_value_are_written_on_their_scale():
    for scale, row in (("times", "1.100 times"), ("value", "1.100")):
        result = with_first(comparison(), bounds=ConditionBounds(1.1, 1.0, 1.2, 1.5, scale, 24, "exchanges"))
        assert gate_tables(result)[1].rows[0][2] == row


def test_a_failure_counts_the_prompts_that_changed_and_quotes_none():
    result = with_first(comparison(), num_prompts=8, num_worse=8, num_better=1, prompts=("a", "b", "c"))
    failure = ElementTree.fromstring(render_junit(result))[0][1][0].text or ""
    assert (
        failure.splitlines()[-1]
        == "8 prompts got worse and 1 got better; look at the answers (holdfast show after.json)"
    )


def test_a_terminal_sees_measures_by_their_names_in_conditions_and_both_models():
    measures, gate = gate_tables(comparison())
    assert measures.title == (
        "before: some/model (before.json)\nafter: a model that its file does not name (after.json)"
    )
    told, same = terminal_tables(comparison())
    assert told.header[:3] == ("measure", "before", "after")
    assert [row[0] for row in told.rows] == ["asr/heldout", "perplexity"]
    assert {told.header[place].split("\n")[0] for place in told.numeric} == {
        measures.header[place].split("\n")[0].replace("became / ceased", "became /").replace(" (corrected)", "")
        for place in measures.numeric
    }
    assert same == gate


def test_a_terminal_sees_no_detail_that_stands_still_and_that_no_condition_looks_at():
    moved, still = Difference(0.2, 0.1, 0.3), Difference(0.01, -0.1, 0.12)

    def measure(change):
        return ComparedMeasure(before=rate(3, 20), after=rate(4, 20), difference=0.05, change=change, paired=None,
                               corrected_p=None)  # fmt: skip

    changes = {"refusal": still, "coherence": still, "coherence/harmful": moved, "coherence/questions": still,
               "cut_off/all": still, "not_refused": still}  # fmt: skip
    result = replace(comparison(), measures={name: measure(change) for name, change in changes.items()})
    assert idle_details(result) == ["coherence/questions", "cut_off/all", "not_refused"]
    shown = [row[0] for row in terminal_tables(result)[0].rows]
    assert shown == ["refusal", "coherence", "coherence/harmful"]
    looked_at = with_first(result, condition="coherence/questions < 0.9")
    assert idle_details(looked_at) == ["cut_off/all", "not_refused"]


def test_junit_names_both_models_and_the_numbers_of_a_case_that_passed():
    suite = ElementTree.fromstring(render_junit(comparison(model=HOSTILE)))[0]
    named = {one.get("name"): one.get("value") for one in suite.iter("property")}
    assert named["after"] == "a model that its file does not name (after.json)"
    assert "\x1b" not in named["before"]
    assert named["before"].endswith("(before.json)")
    passed = suite.findall("testcase")[1]
    assert passed.findtext("system-out") == "utility was 1 and is 1"


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ("fails", "0.012, one-sided, corrected for 6 conditions"),
        ("undecided", "0.012, one-sided, corrected for 6 conditions"),
        ("passes", "<0.001, one-sided"),
    ],
)
def test_every_report_has_the_p_of_the_conditions_own_test(outcome, words):
    numbers = {"p_fails": 0.012, "p_passes": 0.0001, "num_tested": 6, "why_undecided": WHY, "outcome": outcome}
    result = with_first(comparison(), **numbers)
    assert gate_tables(result)[1].header[-1] == "own p"
    assert gate_tables(result)[1].rows[0][-1] == words.partition(",")[0]
    assert f"asr was 0 and is 0.12; the condition's own p {words}" in "".join(
        ElementTree.fromstring(render_junit(result)).itertext()
    )
    assert escape(f"the condition's own p {words}").replace("&#x27;", "&#39;") in render_gate_page(result)
    assert "own p is one-sided" in render_markdown(result)


@pytest.mark.parametrize(
    ("measures", "notes"),
    [
        (
            {"task": (0, 0), "utility": (3, 0), "refusal": (0, 5)},
            ["A measure that was 0 before can show no loss: task."],
        ),
        ({"asr": (0, 0), "over_refusal": (0, 0)}, []),
    ],
)
def test_a_rate_of_zero_that_cannot_get_worse_is_told(measures, notes):
    compared = {
        name: ComparedMeasure(
            before=rate(before, 20), after=rate(after, 20), difference=0.0, change=None, paired=None, corrected_p=None
        )
        for name, (before, after) in measures.items()
    }
    assert table_notes(replace(comparison(), measures=compared)) == notes
