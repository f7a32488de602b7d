import pytest
import torch

from holdfast.intervene.train.preserve.safegrad import safegrad
from tests.intervene.given import REFUSALS, bits
from tests.intervene.train.preserve.toys import tuned


def combined(task, safe, rho):
    gradients = torch.tensor([task, safe], dtype=torch.float64)
    return safegrad(gradients @ gradients.T, rho) @ gradients


def test_a_step_that_opposes_safety_becomes_orthogonal_to_its_gradient():
    # <task, safe> = -2 and ||safe||^2 = 4, so -2/4 (0, 2) goes
    assert combined([1, -1], [0, 2], rho=0).tolist() == [1, 0]
    assert combined([1, -1], [0, 2], rho=1).tolist() == [1, 2]
    generator = torch.Generator().manual_seed(0)
    for task, safe in torch.randn(100, 2, 6, generator=generator, dtype=torch.float64).tolist():
        progress = float(combined(task, safe, rho=0) @ torch.tensor(safe, dtype=torch.float64))
        assert progress > -1e-12
        if sum(left * right for left, right in zip(task, safe, strict=True)) < 0:
            assert abs(progress) < 1e-12


def test_a_step_that_agrees_with_safety_is_left_as_it_is():
    assert combined([1, 1], [0, 2], rho=0).tolist() == [1, 1]
    assert combined([1, 1], [0, 0], rho=1).tolist() == [1, 1], "no safety gradient at the start"


def test_other_than_two_losses_are_refused():
    with pytest.raises(ValueError, match="there are 3 losses"):
        safegrad(torch.eye(3), 1.0)


def test_a_batch_in_parts_is_projected_as_a_whole():
    options = {"safety_batch": 2}
    whole, parts = (
        tuned("safegrad", safety=REFUSALS, method_options=options, micro_batch_size=size) for size in (None, 2)
    )
    assert parts[1].losses == pytest.approx(whole[1].losses, rel=1e-4)
    for name, weight in bits(whole[0].model).items():
        assert torch.allclose(bits(parts[0].model)[name], weight, atol=1e-3)
