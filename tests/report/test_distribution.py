import pytest

from holdfast.report.distribution import distribution_table, histogram
from holdfast.report.page import render_page
from tests.report.sample import distribution, full_report, read, read_distribution


def section(**changes):
    return {"distribution": distribution() | changes}


def drawn(**changes):
    figure = histogram(read_distribution(section(**changes)))
    assert figure is not None
    return figure


def test_what_lies_right_of_the_cut_is_selected_and_nothing_else_is():
    figure = drawn()
    assert figure.cut is not None
    for bar in figure.bars:
        # Places are sums of floats in units of the viewBox.
        assert (bar.x >= figure.cut.at - 1e-9) is bar.selected
    assert {bar.selected for bar in figure.bars} == {True, False}


def test_ten_times_as_many_entries_stand_one_power_higher():
    figure = drawn(bin_edges=[1e-4, 1e-3, 1e-2, 1e-1], counts=[1, 10, 100], cut=None)
    first, second, third = (bar.y for bar in figure.bars)
    assert first - second == pytest.approx(second - third)
    assert figure.bottom > first > second > third > figure.top
    assert [tick.label for tick in figure.y_ticks] == ["1", "10", "100"]


def test_bins_that_hold_nothing_are_not_drawn():
    assert len(drawn(bin_edges=[1e-3, 1e-2, 1e-1, 1.0], counts=[3, 0, 2], cut=None).bars) == 2


def test_labels_stay_few_over_many_decades():
    edges = [10.0**power for power in range(-45, 39)]
    assert len(drawn(bin_edges=edges, counts=[5] * (len(edges) - 1), cut=None).x_ticks) <= 7


def test_scores_without_a_distribution_or_all_zero_are_not_drawn():
    assert histogram(read_distribution({})) is None
    assert histogram(read_distribution(section(bin_edges=[], counts=[], cut=None))) is None


def test_the_table_counts_every_entry_the_zeros_first():
    table = distribution_table(read_distribution(section()))
    assert table.rows[0] == ("0", "0", "1,200")
    counted = [int(row[2].replace(",", "")) for row in table.rows]
    assert counted[1:] == distribution()["counts"]


def test_the_page_draws_the_cut_and_says_how_many_score_nothing():
    page = render_page(read(full_report()))
    assert ">cut at 4.2e-05</text>" in page
    assert "1,200 more entries score 0" in page
