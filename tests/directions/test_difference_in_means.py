import torch

from holdfast.directions.difference_in_means import difference_in_means, margins

POSITIVE = torch.tensor([[3.0, 0.0], [5.0, 1.0]])
NEGATIVE = torch.tensor([[0.0, 0.0], [2.0, 5.0]])


def test_the_vector_is_the_difference_of_the_two_means():
    assert torch.equal(difference_in_means(POSITIVE, NEGATIVE), torch.tensor([3.0, -2.0]))


def test_margins_are_projections_on_the_unit_vector():
    assert torch.allclose(margins(torch.tensor([0.0, 2.0]), POSITIVE, NEGATIVE), torch.tensor([0.0, -4.0]))
    assert torch.equal(margins(torch.zeros(2), POSITIVE, NEGATIVE), torch.zeros(2)), "no direction tells nothing apart"
