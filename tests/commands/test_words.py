"""Facts of results as the terminal shows them."""

import re
from pathlib import Path

import pytest

from holdfast.commands.words import fact_words, facts


@pytest.mark.parametrize(
    ("name", "value", "row"),
    [
        ("entries_protected", 1061683, ("weights held", "1,061,683")),
        ("protected_identical", True, ("held weights kept every bit", "yes")),
        ("share_trained", 0.0123456, ("share of all weights trained", "0.0123")),
        ("start_loss", 2.3456789, ("loss before training, on the last step's batch", "2.35")),
        ("made_by.prompt_sets", ["one", "two"], ("made by: prompt sets", "one, two")),
        ("old_hash", None, ("hash of the old values", "none")),
        ("out", "runs/a_b", ("output", "runs/a_b")),
    ],
)
def test_a_fact_is_in_words_and_rounded(name, value, row):
    assert facts({name: value}) == [row]


def test_the_terminal_shows_only_losses_that_compare():
    losses = {"first_loss": 3.0, "last_loss": 0.7, "start_loss": 3.1, "saved_loss": 1.1}
    assert [value for _, value in facts(losses)] == ["3.1", "1.1"]


def test_the_page_on_fine_tuning_names_the_rows_as_adapt_prints_them():
    page = (Path(__file__).parents[2] / "docs/how-to/fine-tune.md").read_text(encoding="utf-8")
    shown = re.findall(r"^\| ([^|]+) \| [^|]+ \| `(\w+)` \|$", page, re.MULTILINE)
    assert len(shown) == 5
    assert {key: words for words, key in shown} == {key: fact_words(key) for _, key in shown}
