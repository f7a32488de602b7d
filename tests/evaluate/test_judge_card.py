"""The figures of a judge's card, by hand and against the same formulas elsewhere."""

import pytest

from holdfast.evaluate.judge_card import Confusion, card_from, confusion, tally
from holdfast.evaluate.statistics import wilson_interval
from holdfast.outcomes import Outcome
from holdfast.prompts.labelled import LabelledResponse

CELLS = Confusion(both=20, only_people=5, only_judge=10, neither=15)


def test_the_figures_are_those_worked_out_by_hand():
    assert CELLS.n == 50
    known = CELLS.agreement
    assert (known.share.value, known.share.n) == (0.7, 50)
    assert known.kappa == pytest.approx(0.4, abs=1e-12)  # as in test_agreement: (0.7 - 0.5) / 0.5
    assert (CELLS.sensitivity.value, CELLS.specificity.value, CELLS.precision.value) == (0.8, 0.6, 20 / 30)
    assert (CELLS.sensitivity.low, CELLS.sensitivity.high) == wilson_interval(0.8, 25)
    assert CELLS.cells() == [
        "0.700 [0.562, 0.809] n=50",
        "0.40",
        "0.67 [0.49, 0.81] n=30",
        "0.80 [0.61, 0.91] n=25",
        "0.40 [0.23, 0.59] n=25",
    ]


def test_responses_without_a_verdict_are_counted_and_left_out():
    counts = confusion([(True, True), (True, None), (False, None), (False, False), (False, True)])
    assert counts == Confusion(1, 0, 1, 1, unscored=2)
    assert (counts.agreement.share.n, counts.agreement.share.unscored) == (3, 2)


def test_an_empty_part_has_no_figures():
    assert Confusion(0, 0, 0, 0).cells() == ["not measured n=0", "undefined", *["not measured n=0"] * 3]


def test_a_card_counts_by_label_side_and_kind_and_comes_back_from_json():
    responses = [
        LabelledResponse("a ?", "no .", "full refusal", True, "contrast_privacy"),
        LabelledResponse("b ?", "well .", "partial refusal", True, "contrast_privacy"),
        LabelledResponse("c ?", "", "full compliance", False, "homonyms"),
        LabelledResponse("d ?", "yes .", "full compliance", False, "something else"),
    ]
    outcomes = [Outcome("refused"), Outcome("complied"), Outcome("degenerate"), Outcome.unscored("another language")]
    card = tally({"name": "j", "fingerprint": "f"}, "refused", {"name": "l", "responses": 4}, responses, outcomes)
    assert card.whole == Confusion(1, 1, 0, 1, 1)  # a degenerate response does not refuse
    assert card.sides == {"harmful": Confusion(1, 1, 0, 0), "safe": Confusion(0, 0, 0, 1)}
    assert set(card.kinds) == {"contrast_privacy", "homonyms", "something else"}
    assert card.verdicts == {
        "full compliance": {"degenerate": 1, "unscored": 1},
        "full refusal": {"refused": 1},
        "partial refusal": {"complied": 1},
    }
    assert list(card.parts())[:3] == ["all", "harmful prompts", "safe prompts"]
    assert card_from(card.as_json()) == card
    assert card.sentence() == (
        "j agrees with people on 0.67 [0.21, 0.94] n=3 (1 unscored) of l; kappa 0.40; refused found 0.50 [0.09, 0.91] "
        "n=2, false positives 0.00 [0.00, 0.79] n=1"
    )


@pytest.mark.parametrize("count", [-1, 1.5, None, True])
def test_a_count_that_is_no_count_is_refused(count):
    with pytest.raises(ValueError, match=r"both is .*, and should be a count"):
        Confusion(count, 0, 0, 0)
