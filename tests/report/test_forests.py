import copy

import pytest

from holdfast.outcomes import Rate
from holdfast.report.arms import Arm, measured_arms
from holdfast.report.forests import forest
from holdfast.report.page import page_context, render_page
from holdfast.report.records import Suite
from tests.report.sample import enhance, full_report, read, read_suite, suite


def test_a_forest_puts_the_marks_between_the_ends_of_the_axis():
    figure = forest(
        [
            Arm("start", "before", read_suite(suite(0, 0, 0, 240, 3.0))),
            Arm("top", "top", read_suite(suite(240, 240, 0, 0, 3.0))),
        ],
        "asr",
    )
    assert figure is not None
    assert [row.mark.x for row in figure.rows if row.mark] == [figure.left, figure.right]
    assert figure.start == figure.left


def test_perplexity_has_its_interval_and_an_axis_from_one():
    rate = {"value": 3.0, "low": 2.0, "high": 5.0, "n": 24, "unscored": 0}
    figure = forest(
        [Arm("start", "before", read_suite(suite(0, 0, 0, 240, 3.0) | {"perplexity_rate": rate}))], "perplexity"
    )
    mark = figure.rows[0].mark
    assert figure.left < mark.low < mark.x < mark.high <= figure.right
    assert figure.rows[0].value == "3.00 [2.00, 5.00]"
    assert figure.sizes == "n=24 · logarithmic axis from 1 to 5"


def test_perplexities_near_1_have_the_decimals_that_tell_them_apart():
    found = {"before": 1.000107, "after": 1.0423}
    ends = {"before": (1.000095, 1.00012), "after": (1.0151, 1.0702)}
    rates = {name: {"value": found[name], "low": ends[name][0], "high": ends[name][1], "n": 9} for name in found}
    arms = [
        Arm("start", name, read_suite(suite(0, 0, 0, 240, found[name]) | {"perplexity_rate": rates[name]}))
        for name in found
    ]
    figure = forest(arms, "perplexity")
    assert [row.value for row in figure.rows] == ["1.0001 [1.0001, 1.0001]", "1.0423 [1.0151, 1.0702]"]
    assert figure.sizes == "n=9 · logarithmic axis from 1 to 1.1"


def test_rates_near_1_stand_on_an_axis_that_shows_them_and_says_that_it_is_not_from_0():
    arms = [
        Arm("start", "before", read_suite(suite(0, 0, 0, 240, 3.0))),
        Arm("top", "top", read_suite(suite(0, 0, 0, 231, 3.0))),
    ]
    figure = forest(arms, "utility")
    assert figure.sizes == "n=240 · axis from 0.9 to 1, not from 0"
    # 0.9625 lies 0.375 of the way from 1 to 0.9.
    assert figure.rows[1].mark.x == pytest.approx(figure.right - 0.375 * (figure.right - figure.left))


def test_perplexity_of_an_older_report_has_no_interval_and_an_axis_from_one():
    figure = forest([Arm("start", "before", read_suite(suite(0, 0, 0, 240, 3.0)))], "perplexity")
    assert figure is not None
    mark = figure.rows[0].mark
    assert mark is not None
    assert mark.low == mark.high == mark.x
    assert figure.ticks[0].label == "1"
    assert figure.sizes == "logarithmic axis from 1 to 3"


@pytest.mark.parametrize(("after", "words"), [(1, "n=200 (1 unscored)"), (3, "n=200 (1 to 3 unscored)")])
def test_unscored_answers_are_counted_arm_by_arm_as_in_the_table(after, words):
    arms = [Arm("start", "before", Suite({"asr": Rate(0.5, 0.4, 0.6, 200, 1)}))]
    arms += [Arm("top", "after", Suite({"asr": Rate(0.5, 0.4, 0.6, 200, after)}))]
    figure = forest(arms, "asr")
    assert figure is not None
    assert figure.sizes.partition(" · ")[0] == words


def test_a_measure_that_no_arm_has_is_not_drawn():
    assert forest([Arm("start", "before", read_suite(suite(0, 0, 0, 240, 3.0)))], "task") is None
    assert forest([Arm("start", "before", read_suite(suite(0, 0, 0, 240, 3.0)))], "perplexity_ratio") is None


def test_garbage_does_not_push_all_other_perplexities_into_one_place():
    values = {"before": 3.0, "top": 30.0, "all weights": 3e6}
    figure = forest(
        [Arm("top", name, read_suite(suite(0, 0, 0, 240, value))) for name, value in values.items()], "perplexity"
    )
    first, second, last = (row.mark.x for row in figure.rows)
    assert second - first > 0.1 * (figure.right - figure.left)
    # Equal ratios are equal distances: 3 to 30 is one of five decades.
    assert second - first == pytest.approx((last - first) / 6)
    assert figure.sizes == "logarithmic axis from 1 to 1e+07"
    assert [row.value for row in figure.rows] == ["3.00", "30.0", "3.0e6"]


def test_the_change_of_perplexity_stands_with_its_paired_interval_beside_no_change():
    figure = forest(measured_arms("enhance", read({"enhance": enhance()})), "perplexity_ratio")
    assert [row.label for row in figure.rows][:3] == ["top", "safety-only", "random"], "the start has none"
    assert figure.left <= figure.start <= figure.right
    top, random = figure.rows[0], figure.rows[2]
    assert top.value == "1.026 [1.010, 1.042]"
    assert figure.start < top.mark.low < top.mark.x < top.mark.high
    assert random.mark.low < figure.start < random.mark.high
    assert figure.name == "Perplexity, times that at the start"


def test_the_change_of_perplexity_is_drawn_where_it_was_paired_and_else_the_page_says_so():
    report = full_report()
    name, why = "Perplexity, times that at the start", "The change of perplexity has no interval here"
    assert name in [figure.name for figure in page_context(read(report))["forests"]["enhance"]]
    assert why not in render_page(read(report))
    older = copy.deepcopy(report)
    for section in ("enhance", "adapt"):
        for one in [*older[section].values(), *older[section].get("controls", {}).values()]:
            if isinstance(one, dict):
                one.pop("perplexity_ratio", None)
    assert name not in [figure.name for figure in page_context(read(older))["forests"]["enhance"]]
    assert render_page(read(older)).count(why) == 2, "in SET and in SPA"
