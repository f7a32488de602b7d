"""How far two scores agree is asked only of scores of the same entries of one model."""

from dataclasses import replace

import pytest
import torch

from holdfast.select.stability import ranks_agree, stability
from holdfast.values import Scores

SCORES = Scores({"a": torch.rand(20, 10, generator=torch.Generator().manual_seed(0))}, "unit", "base", 300)
OTHERS = {
    "model": replace(SCORES, base="other"),
    "sites": replace(SCORES, entries={"a": SCORES.entries["a"], "b": torch.rand(3)}),
    "shapes": replace(SCORES, entries={"a": SCORES.entries["a"].T}),
}


@pytest.mark.parametrize("compare", [stability, ranks_agree])
@pytest.mark.parametrize("other", OTHERS)
def test_scores_of_other_models_or_sites_are_not_compared(compare, other):
    with pytest.raises(ValueError, match="the first scores and the second are of different models or sites"):
        compare(SCORES, OTHERS[other])


def test_scores_agree_with_others_of_the_same_order():
    found = stability(SCORES, replace(SCORES, entries={"a": 2 * SCORES.entries["a"]}), fraction=0.1)
    assert (found.iou, found.rank_correlation) == (1, 1)
