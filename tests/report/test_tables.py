from io import StringIO

from rich.console import Console

from holdfast.report.tables import NumberTable, component_table, p_text, perplexity_text, summary_tables, to_rich
from tests.report.sample import HOSTILE, full_report


def printed(tables, width=220):
    console = Console(file=StringIO(), width=width, color_system=None)
    for table in tables:
        console.print(table)
    return console.file.getvalue()


def test_the_terminal_shows_verdicts_and_every_rate_with_its_interval():
    text = printed(summary_tables(full_report()))
    assert "does not hold" in text
    assert "0.04 [0.03, 0.06] n=480 (3 unscored)" in text
    assert "0.56 [0.50, 0.62] n=2400" in text
    assert "SPA: start, plain and held fast" in text


def test_nothing_is_cut_in_a_narrow_terminal():
    assert "…" not in printed(summary_tables(full_report()), width=80)
    name = "model.layers.0.mlp.experts.shared_expert.gate_up_proj.weight_of_a_long_name"
    text = printed([to_rich(NumberTable("title", ("name", "a rather wide column"), ((name, "%" * 40),)))], width=40)
    assert "…" not in text
    assert text.count("%") == 40


def test_a_report_that_only_began_has_its_open_claims():
    assert printed(summary_tables({"schema": 1})).count("not measured yet") >= 10


def test_markup_in_a_cell_stays_text():
    assert "[bold]not markup[/bold]" in printed([to_rich(NumberTable("title", ("name",), ((HOSTILE,),)))])


def test_shares_of_the_selection_add_up_to_one():
    table = component_table(full_report()["locate"])
    assert len(table.rows) == 56
    # 56 shares rounded to four places.
    assert abs(sum(float(row[4]) for row in table.rows) - 1) < 56 * 0.00005


def test_small_p_values_are_bounded_not_zero():
    assert (p_text(0.0), p_text(0.0009), p_text(0.001), p_text(1.0)) == ("<0.001", "<0.001", "0.001", "1.000")


def test_a_perplexity_shows_three_digits_of_what_surprises():
    shown = [perplexity_text(value) for value in (1.0, 1.0003433, 1.0034, 1.5, 3.11, 52.34, 1280.0)]
    assert shown == ["1.00", "1.000343", "1.00340", "1.500", "3.11", "52.3", "1280"]


def test_worse_prompts_come_first_whatever_the_measure_counts():
    rows = [
        row
        for table in summary_tables(full_report())
        if "SET" in str(table.title)
        for row in zip(*(c.cells for c in table.columns), strict=True)
    ]
    flips = {(str(row[0]), str(row[1])): str(row[4]) for row in rows}
    # 454 fewer unsafe: 2 got worse and 456 better. 4 fewer correct: 6 got worse and 2 better.
    assert flips["Attack success", "top 1%"] == "2 / 456"
    assert flips["Utility", "top 1%"] == "6 / 2"
