"""Two scores of one model are compared, and of two models never."""

from dataclasses import replace

import pytest
import torch

from holdfast.select.stability import ranks_agree, stability
from holdfast.values import Scores


def scores(base="one", seed=0):
    generator = torch.Generator().manual_seed(seed)
    return Scores({"w": torch.rand(20, 10, generator=generator)}, "unit", base, 200)


def test_equal_scores_agree():
    assert ranks_agree(scores(), scores()) == pytest.approx(1.0, abs=1e-6)  # float32 ranks of 200 entries
    assert stability(scores(), scores(), fraction=0.1).iou == 1.0


@pytest.mark.parametrize("compare", [ranks_agree, stability])
@pytest.mark.parametrize("other", [{"base": "another"}, {"entries": {"w": torch.rand(10, 20)}}], ids=["model", "shape"])
def test_scores_of_another_model_or_of_other_sites_are_refused(compare, other):
    with pytest.raises(ValueError, match="different models or sites"):
        compare(scores(), replace(scores(seed=1), **other))
