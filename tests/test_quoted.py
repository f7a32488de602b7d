"""Every number that the README quotes from a run equals the committed result, and no quoted number is forgotten."""

import re
from collections import defaultdict

import pytest

from tests.quoted import QUOTES, ROOT, SETTINGS, Quote

NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+%?|%)(?![\w.]*\d)")


def line_of(quote: Quote) -> str:
    """The line of the page, and the next one, as a sentence may go on there."""
    lines = (ROOT / quote.page).read_text(encoding="utf-8").splitlines()
    (place,) = [place for place, line in enumerate(lines) if quote.line in line]
    return lines[place] if lines[place].startswith("|") else " ".join(lines[place : place + 2])


def numbers_of(line: str, page: str) -> list[str]:
    """The decimal numbers and percentages of a line that come from runs."""
    for pattern in SETTINGS[page]:
        line = re.sub(pattern, "", line)
    return NUMBER.findall(line)


GROUPS: dict[tuple[str, str], list[Quote]] = defaultdict(list)
for one in QUOTES:
    GROUPS[one.page, one.line].append(one)


@pytest.mark.parametrize(("page", "line"), GROUPS, ids=[line for _, line in GROUPS])
def test_quoted_numbers_equal_the_committed_results(page, line):
    quotes = GROUPS[page, line]
    found = numbers_of(line_of(quotes[0]), page)
    assert found == [one.number for one in quotes], "each number of the line has a quote, in the order of the line"
    for quote in quotes:
        places = len(quote.number.strip("%").partition(".")[2])
        difference = abs(float(quote.number.strip("%")) - quote.value())
        assert difference <= 0.5000001 * 10**-places, (quote.number, quote.value())


@pytest.mark.parametrize("page", SETTINGS)
def test_no_quoted_number_is_forgotten(page):
    known = {line for (where, line) in GROUPS if where == page}
    covered = " ".join(line_of(GROUPS[page, line][0]) for line in known)
    lines = (ROOT / page).read_text(encoding="utf-8").splitlines()
    text = [line for line in lines if numbers_of(line, page) and not any(part in line for part in known)]
    assert [line for line in text if line not in covered] == []
