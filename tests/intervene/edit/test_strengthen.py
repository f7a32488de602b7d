"""What an edit along a direction adds to a bias or a matrix, and what it refuses."""

import math

import pytest
import torch

from holdfast.intervene.edit.strengthen import RIDGE, gain_of, shift_along, with_bias, with_rank_one
from holdfast.values import Direction

SHIFT = torch.tensor([1.0, -2.0], dtype=torch.float64)
WEIGHT = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])


def test_the_shift_has_the_coefficient_times_the_usual_length():
    direction = Direction(torch.tensor([3.0, 4.0]), 0, 10.0, "base")
    assert shift_along(direction, 0.5).tolist() == pytest.approx([3.0, 4.0])  # 0.5 * 10 * (0.6, 0.8)


def test_the_gain_is_the_ridge_regression_of_the_formula():
    neurons = torch.randn(7, 12, generator=torch.Generator().manual_seed(0)).double() + 0.5
    mean, second = neurons.mean(0), neurons.T @ neurons / 7
    wanted = torch.linalg.solve(second + RIDGE * second.diagonal().mean() * torch.eye(12), mean)
    torch.testing.assert_close(gain_of(neurons, mean), wanted / (wanted @ mean))
    assert float(gain_of(neurons, mean) @ mean) == pytest.approx(1)


def test_the_gain_is_more_even_than_the_smallest_one():
    neurons = torch.randn(40, 80, generator=torch.Generator().manual_seed(0)).abs()
    mean = neurons.double().mean(0)
    even, smallest = neurons.double() @ gain_of(neurons, mean), neurons.double() @ (mean / (mean @ mean))
    assert float(even.std()) < 0.5 * float(smallest.std())


@pytest.mark.parametrize("inputs_first", [False, True])
def test_the_mean_is_shifted_and_what_is_orthogonal_to_it_is_not(inputs_first):
    mean, other = torch.tensor([3.0, 0.0, 4.0]), torch.tensor([4.0, 1.0, -3.0])
    weight = WEIGHT.T if inputs_first else WEIGHT
    new = with_rank_one(weight, SHIFT, gain_of(mean[None], mean), inputs_first=inputs_first)
    assert new.shape == weight.shape
    change = (new - weight).T if inputs_first else new - weight
    torch.testing.assert_close(change @ mean, SHIFT.float(), atol=1e-5, rtol=0)  # float32 rounds weights of up to 6
    torch.testing.assert_close(change @ other, torch.zeros(2), atol=1e-5, rtol=0)


def test_values_keep_their_dtype_and_may_not_overflow():
    assert with_bias(torch.zeros(2, dtype=torch.bfloat16), SHIFT).dtype == torch.bfloat16
    with pytest.raises(
        ValueError, match=r"this coefficient makes weights too large for torch\.float16; give a smaller"
    ):
        with_bias(torch.zeros(2, dtype=torch.float16), 1e6 * SHIFT)


@pytest.mark.parametrize("mean", [torch.zeros(3), torch.full((3,), math.nan)])
def test_neurons_without_a_mean_are_refused(mean):
    with pytest.raises(ValueError, match=r"have a mean of length .* so no matrix turns it into a shift"):
        gain_of(mean[None], mean)
