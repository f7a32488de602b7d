from io import StringIO

import pytest
from rich.console import Console

from holdfast.p_values import p_text
from holdfast.perplexity_texts import perplexity_text
from holdfast.report.arms import Arm, arms_of, num_tests
from holdfast.report.forests import forest
from holdfast.report.page import render_page
from holdfast.report.tables import (
    NumberTable,
    arm_table,
    arm_tables,
    claims_table,
    component_table,
    summary_tables,
    to_rich,
)
from tests.report.sample import HOSTILE, full_report, read, read_suite, suite


def printed(tables, width=220):
    console = Console(file=StringIO(), width=width, color_system=None)
    for table in tables:
        console.print(table)
    return console.file.getvalue()


def test_the_terminal_shows_verdicts_and_every_rate_with_its_interval():
    text = printed(summary_tables(read(full_report())))
    assert "does not hold" in text
    assert "0.04 [0.03, 0.06] n=480 (3 unscored)" in text
    assert "0.56 [0.49, 0.63] n=2400" in text  # five draws of 0.50 to 0.62: Student's t with four degrees of freedom
    assert "SPA: start, plain and held fast" in text


def test_a_run_ends_with_its_claims_and_what_decides_each():
    text = printed([claims_table(read(full_report()))], width=400)
    assert "does not hold" in text
    assert "SPA: start, plain and held fast" not in text
    assert "attack success, held minus start: " in text
    assert "n=480" not in text, "the rates are in the report"
    assert printed([claims_table(read({"schema": 1}))]).count("not measured yet") >= 10


def test_nothing_is_cut_in_a_narrow_terminal():
    assert "…" not in printed(summary_tables(read(full_report())), width=80)
    name = "model.layers.0.mlp.experts.shared_expert.gate_up_proj.weight_of_a_long_name"
    text = printed([to_rich(NumberTable("title", ("name", "a rather wide column"), ((name, "%" * 40),)))], width=40)
    assert "…" not in text
    assert text.count("%") == 40


def test_a_report_that_only_began_has_its_open_claims():
    assert printed(summary_tables(read({"schema": 1}))).count("not measured yet") >= 10


def test_a_stage_that_the_config_leaves_out_has_no_table_though_its_start_was_measured():
    report = full_report()
    report["adapt"] = {"start": report["adapt"]["start"]}
    report["provenance"]["config"] = {"task": None}
    text = printed(summary_tables(read(report)))
    assert "SPA" not in text
    assert "SET: before and after" in text


def test_a_measure_that_nothing_was_asked_for_has_no_row():
    nothing = {"value": None, "low": None, "high": None, "n": 0, "unscored": 0}
    asked = nothing | {"unscored": 240}
    arms = [
        Arm("start", "before", read_suite(suite(0, 0, 0, 240, 3.11) | {"over_refusal": rate}))
        for rate in (nothing, asked)
    ]
    assert "Over-refusal" not in {row[0] for row in arm_table("SET", arms[:1]).rows}
    assert "Over-refusal" in {row[0] for row in arm_table("SET", arms).rows}


def test_markup_in_a_cell_stays_text():
    assert "[bold]not markup[/bold]" in printed([to_rich(NumberTable("title", ("name",), ((HOSTILE,),)))])


def test_shares_of_the_selection_add_up_to_one():
    table = component_table(read(full_report()).locate.by_component, mean="mean score")
    assert len(table.rows) == 56
    assert table.header[-1] == "mean score", "the scores of a run need not be ESI"
    # 56 shares rounded to four places.
    assert abs(sum(float(row[4]) for row in table.rows) - 1) < 56 * 0.00005


def test_p_values_are_corrected_for_all_tests_of_both_experiments():
    report = full_report()
    arms = arms_of(read(report))
    # Seven arms and five, less the two starts and what was not paired: 4 measures of 6 + 4 arms.
    assert num_tests(arms) == 40
    (alone,) = [arm for arm in arms["adapt"] if arm.label == "hold safety-only"]
    raw = alone.paired("asr").p_value
    p_values = sorted(arm.paired(name).p_value for found in arms.values() for arm in found for name in arm.corrected)
    smaller = sum(p < raw for p in p_values)
    assert alone.corrected["asr"] == pytest.approx(min(1.0, (40 - smaller) * raw)), "Holm's step for its rank"
    (row,) = [row for row in arm_tables(read(report))[1].rows if row[:2] == ("Attack success", "hold safety-only")]
    assert row[5] == f"{p_text(raw)} ({p_text(alone.corrected['asr'])})"
    assert p_text(raw) != p_text(alone.corrected["asr"])


def test_one_experiment_alone_is_corrected_for_its_own_tests():
    report = full_report()
    del report["enhance"]
    assert num_tests(arms_of(read(report))) == 16


def test_the_page_says_for_how_many_tests_it_corrects_and_shows_the_corrected_p():
    page = render_page(read(full_report()))
    assert page.count("corrected by Holm") == 2
    assert "for the 40 tests on this page" in page
    (row,) = [
        row for row in forest(arms_of(read(full_report()))["adapt"], "asr").rows if row.label == "hold safety-only"
    ]
    (arm,) = [arm for arm in arms_of(read(full_report()))["adapt"] if arm.label == "hold safety-only"]
    assert row.note == f"p {p_text(arm.corrected['asr'])}"


def test_perplexity_stands_with_its_interval_where_it_has_one():
    rate = {"value": 3.11, "low": 2.9, "high": 3.3, "n": 24, "unscored": 0}
    arms = [
        Arm("start", "before", read_suite(suite(0, 0, 0, 240, 3.11) | {"perplexity_rate": one})) for one in (rate, None)
    ]
    cells = [row[2] for row in arm_table("SET", arms).rows if row[0] == "Perplexity"]
    assert cells == ["3.11 [2.90, 3.30] n=24", "3.11"]


def test_a_perplexity_shows_how_many_times_that_of_the_start_it_is_as_its_change():
    rows = {row[1]: row for row in arm_tables(read(full_report()))[0].rows if row[0] == "Perplexity"}
    assert rows["top 1%"][2:4] == ("3.19 [3.03, 3.38] n=24", "times 1.026 [1.010, 1.042] n=24")
    assert rows["before"][3] == ""
    assert not [row for row in arm_tables(read(full_report()))[0].rows if row[0].startswith("Perplexity, times")]


def test_a_perplexity_shows_three_digits_of_what_surprises():
    shown = [perplexity_text(value) for value in (1.0, 1.0003433, 1.0034, 1.5, 3.11, 52.34, 1280.0)]
    assert shown == ["1.00", "1.000343", "1.00340", "1.500", "3.11", "52.3", "1280"]


def test_worse_prompts_come_first_whatever_the_measure_counts():
    rows = [
        row
        for table in summary_tables(read(full_report()))
        if "SET" in str(table.title)
        for row in zip(*(c.cells for c in table.columns), strict=True)
    ]
    flips = {(str(row[0]), str(row[1])): str(row[4]) for row in rows}
    # 454 fewer unsafe: 2 got worse and 456 better. 4 fewer correct: 6 got worse and 2 better.
    assert flips["Attack success", "top 1%"] == "2 / 456"
    assert flips["Utility", "top 1%"] == "6 / 2"


def test_the_terminal_shows_no_table_of_a_stage_that_was_left_out_and_no_row_of_what_nobody_measured():
    report = full_report()
    titles = {"SET: before and after", "SPA: start, plain and held fast"}
    assert titles <= {str(table.title) for table in summary_tables(read(report))}
    report["provenance"].setdefault("config", {})["task"] = None
    assert titles & {str(table.title) for table in summary_tables(read(report))} == {"SET: before and after"}
    nothing = {"value": None, "low": None, "high": None, "n": 0, "unscored": 0}
    failed = nothing | {"unscored": 240}
    for arm in ("before", "after", "safety_only"):
        report["enhance"][arm] |= {"over_refusal": nothing, "utility": failed}
    for arm in report["enhance"]["controls"].values():
        arm |= {"over_refusal": nothing, "utility": failed}
    measures = {row[0] for row in arm_tables(read(report))[0].rows}
    assert "Over-refusal" not in measures
    assert "Utility" in measures, "that nothing could be scored is a result"
