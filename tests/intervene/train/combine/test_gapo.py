import pytest
import torch
from reproductions.gapo.bandit import gains

from holdfast.intervene.train.combine.gapo import gapo
from holdfast.intervene.train.combine.mgda import mgda
from holdfast.intervene.train.combine.p_gapo import p_gapo

SEEDS = range(10)


def worst(combine):
    """The smaller gain of both rewards, in the mean over seeds."""
    return sum(float(gains(combine, seed).min()) for seed in SEEDS) / len(SEEDS)


def random_gradients(num_losses, cases):
    generator = torch.Generator().manual_seed(num_losses)
    gradients = torch.randn(cases, num_losses, 6, generator=generator, dtype=torch.float64)
    return gradients * (torch.rand(cases, num_losses, 1, generator=generator, dtype=torch.float64) * 5 + 0.1)


@pytest.mark.parametrize("power", [0, 1, 2])
@pytest.mark.parametrize(("num_losses", "cases"), [(2, 5000), (3, 50)])
def test_each_loss_gains_its_gradients_length_to_the_power_p(num_losses, cases, power):
    """Theorem 3.3: <d, g_i> = ||g_i||^p ||d||^2 where every weight is positive."""
    gradients = random_gradients(num_losses, cases)
    gram = gradients @ gradients.mT
    weights = gapo(gram, power) if num_losses == 2 else torch.stack([gapo(each, power) for each in gram])
    updates = (weights[:, None] @ gradients).squeeze(1)
    progress = (gradients @ updates[:, :, None]).squeeze(2)
    due = gradients.norm(dim=2) ** power * updates.square().sum(dim=1, keepdim=True)
    is_interior = weights.min(dim=1).values > 0
    assert is_interior.sum() > cases / 3
    assert torch.allclose(progress[is_interior], due[is_interior], rtol=1e-4, atol=1e-9)
    # where a loss has no weight, it gains at least its due
    assert (progress >= due * (1 - 1e-4) - 1e-9).all()


def test_power_zero_is_mgda_and_power_one_of_two_losses_is_p_gapo_at_one_half():
    generator = torch.Generator().manual_seed(0)
    for _ in range(50):
        gradients = torch.randn(2, 4, generator=generator, dtype=torch.float64)
        gram = gradients @ gradients.T
        assert torch.allclose(gapo(gram, 0), mgda(gram))
        assert torch.allclose(gapo(gram, 1), p_gapo(gram, (0.5, 0.5)))


def test_a_gradient_of_zero_stops_every_loss():
    assert gapo(torch.tensor([[4.0, 0.0], [0.0, 0.0]], dtype=torch.float64), 1).tolist() == [0, 0]


def test_the_worse_reward_gains_at_least_twice_as_much_as_under_mgda():
    assert worst(lambda gram: gapo(gram, 1)) >= 2 * worst(mgda) > 0
