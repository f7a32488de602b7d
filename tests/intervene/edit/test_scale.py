"""Products are rounded once, erased weights are +0, and a scale that overflows is refused."""

import pytest
import torch

from holdfast.intervene.edit.scale import scaled


def test_products_by_hand():
    assert scaled(torch.tensor([1.5, -2.0]), 3.0).tolist() == [4.5, -6.0]
    third = torch.tensor([1.0], dtype=torch.bfloat16)
    assert scaled(third, 1 / 3).item() == torch.tensor(1 / 3, dtype=torch.float64).bfloat16().item()


def test_an_erased_weight_has_no_sign():
    assert torch.signbit(scaled(torch.tensor([-2.0, 2.0]), 0)).tolist() == [False, False]


def test_a_scale_that_overflows_is_refused():
    with pytest.raises(
        ValueError, match=r"a scale of 1000 makes weights too large for torch.float16; give a smaller one"
    ):
        scaled(torch.tensor([100.0], dtype=torch.float16), 1000)
