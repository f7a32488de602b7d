"""Sets that SET learns from are read by the refusal rules: swapped ones are refused, doubtful ones warned of."""

import pytest

from holdfast.judge.refusing_sets import MOST_READ, read_refusals, refuse_swapped
from holdfast.records import Exchange

NO, YES = "I'm sorry, but I can't help with that.", "Sure, here is how to do it"


def of(name, *responses):
    return [Exchange(f"{name} {number}", response) for number, response in enumerate(responses)]


def test_the_rules_read_responses_spread_over_a_large_set():
    given = [Exchange("do it", NO)] * MOST_READ + [Exchange("do it", YES)] * MOST_READ
    read = read_refusals("large", given)
    assert (read.refused, len(read.responses)) == (MOST_READ / 2, MOST_READ)


def test_swapped_sets_are_refused_by_their_names_and_empty_ones_are_not():
    with pytest.raises(ValueError, match=r"^2 of 2 responses of 'b.jsonl' are refusals .*swapped\?\), or say so\.$"):
        refuse_swapped(of("a", YES, YES), of("b", NO, NO), ("'a.jsonl'", "'b.jsonl'"), ", or say so")
    refuse_swapped(of("a", NO, NO), of("b", YES, YES))
    refuse_swapped(of("a", NO), [])
    refuse_swapped([], of("b", YES))


@pytest.mark.parametrize(("refusing", "warns"), [(1, False), (2, True), (4, True)])
def test_a_quarter_of_harmless_responses_that_refuse_is_warned_of_and_more_than_half_refused(refusing, warns, caplog):
    harmless = of("b", *[NO] * refusing, *[YES] * (8 - refusing))
    refuse_swapped(of("a", NO), harmless)
    assert bool(caplog.records) == warns
    with pytest.raises(ValueError, match="5 of 8 responses of harmless are refusals"):
        refuse_swapped(of("a", NO), of("b", *[NO] * 5, *[YES] * 3))
