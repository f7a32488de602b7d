import csv
from base64 import b64decode
from io import StringIO

import pytest

from holdfast.outcomes import Rate
from holdfast.report.downloads import csv_link, csv_text, file_stem
from holdfast.report.experts import expert_table
from holdfast.report.page import render_page
from holdfast.report.tables import NumberTable, noise_tables
from tests.report.sample import by_expert, full_report, read, read_selection


def rows_of(table):
    return list(csv.reader(StringIO(csv_text(table))))


def written(cell):
    return rows_of(NumberTable("title", ("name",), ((cell,),)))[1][0]


@pytest.mark.parametrize("cell", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", " =1", "\r=1", "-", "--1"])
def test_a_cell_that_a_spreadsheet_would_run_is_made_text(cell):
    assert written(cell).startswith("'")


def test_so_is_the_name_of_a_column():
    assert rows_of(NumberTable("title", ("=A1",), ()))[0] == ["'=A1"]


@pytest.mark.parametrize(
    ("cell", "number"), [("-0.012", "-0.012"), ("+0.100", "+0.100"), ("1,234,567", "1234567"), ("4.2e-05", "4.2e-05")]
)
def test_a_number_stays_one(cell, number):
    assert written(cell) == number
    assert float(number) == float(cell.replace(",", ""))


def test_a_rate_has_five_columns_and_all_its_digits():
    rows = ((Rate(1 / 3, 0.1, 0.9, 6, 2),), ("not measured yet",), (Rate(None, None, None, 0, 4),))
    assert rows_of(NumberTable("title", ("rate [95% interval]",), rows)) == [
        ["rate value", "rate low", "rate high", "rate n", "rate unscored"],
        [str(1 / 3), "0.1", "0.9", "6", "2"],
        ["not measured yet", "", "", "", ""],
        ["", "", "", "0", "4"],
    ]


def test_the_numbers_of_the_noise_figure_are_those_of_the_report():
    report = full_report()
    (asr, _) = noise_tables(read(report))
    header, _, first, *_ = rows_of(asr)
    assert float(first[header.index("top value")]) == report["verify"]["top"][0]["value"]


def test_a_table_that_shows_a_part_is_saved_whole():
    section = {"by_expert": by_expert(4, 8)}
    assert len(rows_of(expert_table(read_selection(section), shown=5))) == 1 + 32


def test_quotes_and_line_breaks_stay_in_their_cell():
    assert written('a "b", c\nd') == 'a "b", c\nd'


def test_every_table_of_the_page_has_its_file():
    page = render_page(read(full_report()))
    assert page.count("<table>") == page.count('href="data:text/csv;charset=utf-8;base64,') > 5
    link = csv_link(NumberTable("title", ("é",), ()))
    assert b64decode(link.partition("base64,")[2]).decode() == "é\r\n"


def test_a_file_is_named_by_letters_and_digits():
    assert file_stem("SET: before and after", "top 1%") == "set-before-and-after-top-1"
    assert file_stem("../../etc/passwd\x00") == "etc-passwd"
