import pytest

from holdfast.decision import decide, decide_all


@pytest.mark.parametrize(
    ("interval", "above", "below"),
    [
        ((0.11, 0.30), "holds", "does not hold"),
        ((0.01, 0.09), "does not hold", "holds"),
        ((0.05, 0.15), "inconclusive", "inconclusive"),
        ((0.10, 0.15), "inconclusive", "inconclusive"),
        ((0.05, 0.10), "inconclusive", "inconclusive"),
        ((0.10, 0.10), "inconclusive", "inconclusive"),
    ],
)
def test_an_interval_decides_only_where_it_lies_on_one_side_of_the_bar(interval, above, below):
    assert decide(interval, 0.10, claimed="above") == above
    assert decide(interval, 0.10, claimed="below") == below


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        (["holds", "holds"], "holds"),
        (["holds", "inconclusive"], "inconclusive"),
        (["inconclusive", "does not hold", "holds"], "does not hold"),
    ],
)
def test_a_claim_of_several_parts_needs_all_of_them(parts, whole):
    assert decide_all(parts) == whole
