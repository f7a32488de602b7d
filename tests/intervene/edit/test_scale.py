"""Products are rounded once, erased weights are +0, and a scale that does nothing or harm is refused."""

import pytest
import torch

from holdfast.intervene.edit.scale import require_scale, scaled


def test_products_by_hand():
    assert scaled(torch.tensor([1.5, -2.0]), 3.0).tolist() == [4.5, -6.0]
    third = torch.tensor([1.0], dtype=torch.bfloat16)
    assert scaled(third, 1 / 3).item() == torch.tensor(1 / 3, dtype=torch.float64).bfloat16().item()


def test_an_erased_weight_has_no_sign():
    assert torch.signbit(scaled(torch.tensor([-2.0, 2.0]), 0)).tolist() == [False, False]


@pytest.mark.parametrize("scale", [-1, float("nan"), float("inf"), "2"])
def test_scales_that_are_no_factor_are_refused(scale):
    with pytest.raises(ValueError, match="the scale must be 0 or more, got"):
        require_scale(scale)


def test_a_scale_of_one_and_one_that_overflows_are_refused():
    with pytest.raises(ValueError, match="a scale of 1 changes nothing; give 0 to erase, or more than 1"):
        require_scale(1)
    with pytest.raises(
        ValueError, match=r"a scale of 1000 makes weights too large for torch.float16; give a smaller one"
    ):
        scaled(torch.tensor([100.0], dtype=torch.float16), 1000)
