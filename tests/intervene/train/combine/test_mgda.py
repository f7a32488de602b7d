import pytest
import torch

from holdfast.intervene.train.combine.mgda import mgda


def gram_from(*gradients):
    matrix = torch.tensor(gradients, dtype=torch.float64)
    return matrix @ matrix.T


@pytest.mark.parametrize(
    ("gradients", "weights"),
    [
        (([1, 0], [0, 1]), [0.5, 0.5]),  # the foot of the segment from (1, 0) to (0, 1)
        (([2, 0], [0, 1]), [0.2, 0.8]),  # (0.4, 0.8) is orthogonal to (2, -1)
        (([1, 0], [3, 1]), [1, 0]),  # the shorter one is the nearest point
        (([3, 1], [1, 0]), [0, 1]),
        (([1, 1], [1, 1]), [0.5, 0.5]),
    ],
)
def test_two_losses_have_the_weights_of_the_nearest_point(gradients, weights):
    assert mgda(gram_from(*gradients)).tolist() == pytest.approx(weights)


def test_three_losses_have_the_weights_of_the_nearest_point_and_one_may_have_none():
    # (1, 0, 0), (0, 1, 0), (0, 0, 1): the point (1/3, 1/3, 1/3)
    assert mgda(torch.eye(3, dtype=torch.float64)).tolist() == pytest.approx([1 / 3] * 3)
    # (2, 2) lies beyond the segment between the other two
    assert mgda(gram_from([1, 0], [0, 1], [2, 2])).tolist() == pytest.approx([0.5, 0.5, 0], abs=1e-6)


def test_frank_wolfe_reaches_the_shortest_point_of_random_cases():
    generator = torch.Generator().manual_seed(0)
    for num_losses in (3, 4, 6):
        for _ in range(20):
            gradients = torch.randn(num_losses, 5, generator=generator, dtype=torch.float64)
            gram = gradients @ gradients.T
            weights = mgda(gram)
            assert weights.sum() == pytest.approx(1)
            assert weights.min() >= 0
            # at the shortest point no gradient makes less progress than the point itself
            progress = gram @ weights
            assert progress.min() >= float(weights @ progress) - 1e-9 * float(gram.diagonal().max())
