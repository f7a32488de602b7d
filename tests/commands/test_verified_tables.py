"""The tables of a verification: a row for each measure at each noise ratio, and no broken cell at 80 columns."""

import re
from dataclasses import replace

import pytest
from rich.console import Console

from holdfast.commands.verified_tables import effects_table, rates_table
from holdfast.evaluate.contrast import Contrast
from holdfast.evaluate.verified import Verified
from holdfast.outcomes import Rate, TokenLosses
from tests.evaluate.constructed import aligned, answers, evaluation, first

HUGE = Rate(2.3e9, 1.2e6, 4.5e12, 80)
FOUND = {
    "asr": Contrast(0.25, 0.1, 0.4, 20, 0.01),
    "asr/seen": Contrast(0.9, 0.8, 1.0, 10, 0.01),
    "perplexity/refusals": Contrast(1.5, 1.2, 1.9, 20, 0.02),
}


def cells_of(table, width=300):
    """Returns the rows of a table as it is drawn, each cell as its lines."""
    console = Console(width=width)
    with console.capture() as shown:
        console.print(table)
    drawn = [line for line in shown.get().splitlines() if line.startswith("│")]
    rows = []
    for line in drawn:
        cells = [cell.strip() for cell in line.split("│")[1:-1]]
        if cells[0]:
            rows.append([[] for _ in cells])
        for lines, cell in zip(rows[-1], cells, strict=True):
            lines += [cell] if cell else []
    return rows


def whole(table, width):
    return [[" ".join(lines) for lines in row] for row in cells_of(table, width)]


@pytest.fixture
def verified(monkeypatch):
    """Every measure, with huge numbers under noise."""
    monkeypatch.setattr("holdfast.evaluate.verified.pool_evaluations", lambda draws: draws[0])
    monkeypatch.setattr("holdfast.evaluate.verified.contrast", lambda mask, control: FOUND)
    shares = {"refusal/harmful": Rate(0.88, 0.03, 1.0, 16, 12), "coherence/all": Rate(1.0, 0.81, 1.0, 128)}
    untouched = aligned(**shares, **{"perplexity/refusals": Rate(1.168, 1.109, 1.23, 8)})
    losses = (TokenLosses("a", 1.0, 2, "refusals"), TokenLosses("b", 2.0, 2, "refusals"))
    untouched = replace(untouched, losses=losses, perplexity=1.01, perplexity_rate=Rate(1.01034, 1.0, 1.02921, 8))
    groups = untouched.groups | {"perplexity/refusals": HUGE}
    broken = replace(untouched, groups=groups, perplexity=HUGE.value, perplexity_rate=HUGE)
    return Verified(untouched, (0.38, 2.0), (broken, broken), (untouched, untouched))


def test_a_row_has_the_untouched_model_the_mask_and_the_control(verified):
    rows = cells_of(rates_table(verified))
    assert [row[0] for row in rows] == [["0.38"]] * 6 + [["2"]] * 6
    assert rows[5][1:] == [
        ["perplexity, refusals"],
        ["1.168 n=8", "[1.109, 1.230]"],
        ["2.3e+09 n=80", "[1.2e+06, 4.5e+12]"],
        ["1.168 n=8", "[1.109, 1.230]"],
    ]
    assert rows[1][2] == ["0.88 n=16", "[0.03, 1.00]", "12 unscored"]


def test_without_a_control_the_table_has_no_column_for_it(verified):
    assert {len(row) for row in cells_of(rates_table(replace(verified, control=())))} == {4}


def test_over_refusal_is_in_the_table_where_it_was_measured():
    with_harmless = evaluation(answers("asr", first(0, 4)), answers("over_refusal", first(1, 4)))
    for measured, has in ((with_harmless, True), (aligned(), False)):
        rows = whole(rates_table(Verified(measured, (2.0,), (measured,))), 300)
        assert any("over-refusal" in row[1] for row in rows) is has


def test_the_mask_is_set_against_the_control_in_words_with_corrected_p_values(verified):
    rows = whole(effects_table(replace(verified, ratios=(0.38,))), 300)
    assert rows == [
        ["0.38", "attack success rate", "+0.250 [+0.100, +0.400]", "20", "0.010 (0.020)"],
        ["0.38", "perplexity, refusals", "1.500 times [1.200, 1.900]", "20", "0.020 (0.020)"],
    ]


def test_at_80_columns_no_word_and_no_number_of_a_cell_is_broken(verified):
    for table in (rates_table, effects_table):
        console = Console(width=80)
        with console.capture() as shown:
            console.print(table(verified))
        assert max(map(len, shown.get().splitlines())) <= 80
        assert whole(table(verified), 80) == whole(table(verified), 300)
        words = {word for row in whole(table(verified), 80) for cell in row for word in re.split("[ ]", cell)}
        assert {"refusals", "[1.2e+06,"} & words
