import pytest
import torch

from holdfast.intervene.train.combine.weights import gram_of, unit_sum


def test_inner_products_add_up_over_weights_and_take_none_for_zero():
    first = [torch.tensor([[1.0, 2.0]]), torch.tensor([3.0])]
    second = [torch.tensor([[4.0, -1.0]]), None]
    gram = gram_of([first, second])
    assert gram.tolist() == [[1 + 4 + 9, 4 - 2], [4 - 2, 16 + 1]]
    assert gram.dtype == torch.float64


def test_products_of_half_precision_add_up_in_float32():
    ones = [torch.full((4096,), 1.0, dtype=torch.bfloat16)]
    assert gram_of([ones]).item() == 4096, "bfloat16 would stop counting at 256"


def test_weights_are_rescaled_to_a_sum_of_one_and_zeros_stay():
    assert unit_sum(torch.tensor([1.0, 3.0])).tolist() == pytest.approx([0.25, 0.75])
    assert unit_sum(torch.zeros(2)).tolist() == [0, 0]
