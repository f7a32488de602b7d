"""Relaxed draws of the next token against their theory; all in float64 from seeded noise."""

import math

import pytest
import torch
from torch import Tensor

from holdfast.objective import relaxation as relaxation_module
from holdfast.objective.choices import RelaxationKind
from holdfast.objective.completions import Completion
from holdfast.objective.relaxation import Relaxation, exponentials, gumbel_noise_given

LOGITS = torch.tensor([1.2, -0.3, 0.0, -2.0, 0.7], dtype=torch.float64)
GAINS = torch.tensor([0.5, -1.0, 2.0, 0.0, -0.7], dtype=torch.float64)
DRAWS = 100_000


def rows(count: int, logits: Tensor = LOGITS) -> Tensor:
    return logits.expand(count, -1).clone().requires_grad_()


def drawn_tokens(count: int, logits: Tensor = LOGITS) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.multinomial(logits.softmax(0), count, replacement=True, generator=generator)


def completion_of(said: Tensor) -> Completion:
    return Completion("prompt", [0, *said.tolist()], list(range(1, len(said) + 1)))


def gradients(kind: RelaxationKind, temperature: float, logits: Tensor = LOGITS, gains: Tensor = GAINS) -> Tensor:
    """Of sum_v q(v) C(v) with respect to the logits, a row a draw; `gains` may depend on the token that was said."""
    said, leaves = drawn_tokens(DRAWS, logits), rows(DRAWS, logits)
    weights = Relaxation(kind, temperature).weights(leaves, [completion_of(said)], [0])
    (weights * (gains if gains.dim() == 1 else gains[said])).sum().backward()
    assert leaves.grad is not None
    return leaves.grad


def noise_given(said: Tensor) -> Tensor:
    times = exponentials(len(said), len(LOGITS), seed=3).double()
    return gumbel_noise_given(said, LOGITS.log_softmax(0).expand(len(said), -1), times)


@pytest.mark.parametrize("token", range(len(LOGITS)))
def test_noise_given_a_token_makes_it_the_winner_however_unlikely(token):
    noise = noise_given(torch.full((DRAWS,), token))
    assert bool(((LOGITS + noise).argmax(1) == token).all())


def distance_from_gumbel(noise: Tensor) -> float:
    """The largest Kolmogorov-Smirnov distance of a column from exp(-exp(-g)), in units of 1 / sqrt(rows)."""
    expected = (-(-noise.sort(0).values).exp()).exp()
    steps = torch.arange(1, len(noise) + 1, dtype=torch.float64)[:, None] / len(noise)
    return float((expected - steps).abs().max()) * len(noise) ** 0.5


def test_noise_given_the_drawn_token_is_independent_gumbel_noise():
    """Over five columns 2.0 is passed once in 300 (Kolmogorov: 2 exp(-2 * 2.0^2) each), a correlation of 4.5 standard
    errors once in 15,000 over ten pairs."""
    noise = noise_given(drawn_tokens(DRAWS))
    assert distance_from_gumbel(noise) < 2.0
    correlation = torch.corrcoef(noise.exp().neg().exp().T) - torch.eye(len(LOGITS), dtype=torch.float64)
    assert float(correlation.abs().max()) < 4.5 / DRAWS**0.5


@pytest.mark.parametrize("break_it", ["another token was said", "the likely tokens don't run faster"])
def test_other_noise_is_found_out(break_it):
    said = drawn_tokens(DRAWS)
    if break_it == "another token was said":
        noise = noise_given(said.roll(1))
        assert not bool(((LOGITS + noise).argmax(1) == said).all())
    else:
        times = exponentials(DRAWS, len(LOGITS), seed=3).double()
        noise = gumbel_noise_given(said, LOGITS.new_zeros(DRAWS, len(LOGITS)), times)
        assert distance_from_gumbel(noise) > 20


@pytest.mark.parametrize("kind", ["gumbel", "straight_through"])
def test_a_low_temperature_draws_one_token_by_its_probability(kind):
    """Frequencies within 4.4 standard errors: one in 20,000 over five tokens. Straight-through draws what was said."""
    said = drawn_tokens(DRAWS)
    weights = Relaxation(kind, 1e-6).weights(LOGITS.expand(DRAWS, -1), [completion_of(said)], [0])
    p = LOGITS.softmax(0)
    # Two tokens are within 20 tau of each other in about one row of 50,000, and both count there.
    assert float((weights.max(1).values > 1 - 1e-6).double().mean()) > 0.999
    assert float(((weights.mean(0) - p).abs() / (p * (1 - p) / DRAWS).sqrt()).max()) < 4.4
    if kind == "straight_through":
        assert torch.equal(weights.argmax(1), said)


@pytest.mark.parametrize("kind", ["gumbel", "straight_through"])
def test_a_high_temperature_makes_all_tokens_even_and_the_gradient_fade(kind):
    """tau * gradient is (C - mean C) / V up to terms of order noise / tau, the noise below 20."""
    found = 1e5 * gradients(kind, 1e5)
    even = (GAINS - GAINS.mean()) / len(GAINS)
    torch.testing.assert_close(found, even.expand(DRAWS, -1), rtol=0, atol=20 * 4 / 1e5)


def two_token_gradient(logit: float, temperature: float) -> float:
    """E[q (1 - q)] / tau, q = sigmoid((logit + noise) / tau), over logistic noise (a difference of two Gumbels)."""
    share = (torch.arange(2_000_000, dtype=torch.float64) + 0.5) / 2_000_000
    q = ((logit + share.logit()) / temperature).sigmoid()
    return float((q * (1 - q)).mean()) / temperature


@pytest.mark.parametrize("kind", ["gumbel", "straight_through"])
@pytest.mark.parametrize("temperature", [0.1, 0.3, 1.0])
def test_the_mean_gradient_over_noise_is_that_of_two_tokens_in_closed_form(kind, temperature):
    """Within 4 standard errors. At tau = 1 it is 0.10 below p (1 - p), at 0.1 within 0.01 of it."""
    logits, gains = torch.tensor([0.9, 0.0], dtype=torch.float64), torch.tensor([1.0, 0.0], dtype=torch.float64)
    found = gradients(kind, temperature, logits, gains)[:, 0]
    expected = two_token_gradient(0.9, temperature)
    assert abs(float(found.mean()) - expected) < 4 * float(found.std()) / DRAWS**0.5
    p = float(logits.softmax(0)[0])
    assert (temperature < 1) == (abs(expected - p * (1 - p)) < 0.02)


def test_noise_that_is_differentiated_too_is_found_out(monkeypatch):
    """With it, straight-through's mean is far from that of the same noise drawn without knowing y."""
    monkeypatch.setattr(torch.Tensor, "detach", lambda self: self)
    logits, gains = torch.tensor([0.9, 0.0], dtype=torch.float64), torch.tensor([1.0, 0.0], dtype=torch.float64)
    found = gradients("straight_through", 0.3, logits, gains)[:, 0]
    assert abs(float(found.mean()) - two_token_gradient(0.9, 0.3)) > 20 * float(found.std()) / DRAWS**0.5


def test_under_a_quadratic_judge_straight_through_nears_the_exact_gradient_and_gumbel_the_expectation():
    """One token of value x, J = x + 1.5 x^2, C(v) = J'(x_y) (x_v - x_y). Standard errors are below 0.009."""
    x = torch.tensor([1.0, -0.6, 0.2, -1.3, 0.5], dtype=torch.float64)
    p, gains = LOGITS.softmax(0), (1 + 3 * x)[:, None] * (x - x[:, None])
    verdicts = x + 1.5 * x**2
    exact = p * (verdicts - p @ verdicts)
    mean_gains = p @ gains
    expectation = p * (mean_gains - p @ mean_gains)
    straight = gradients("straight_through", 0.05, gains=gains).mean(0)
    gumbel = gradients("gumbel", 0.05, gains=gains).mean(0)
    assert float((expectation - exact).abs().max()) > 0.15
    assert float((straight - exact).abs().max()) < 0.03
    assert float((gumbel - expectation).abs().max()) < 0.03


def test_the_variance_grows_as_one_over_the_temperature():
    """Of draws near a tie, a share of order tau, each with a gradient of order 1 / tau."""
    wide, narrow = (float(gradients("gumbel", tau).var(0).sum()) for tau in (0.1, 0.025))
    assert narrow / wide == pytest.approx(4, rel=0.1)  # the next order is tau itself


@pytest.mark.parametrize("kind", ["gumbel", "straight_through"])
def test_noise_belongs_to_the_item_and_not_to_its_batch(kind):
    completions = [completion_of(drawn_tokens(length)) for length in (3, 1, 4)]
    logits = torch.randn(8, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    relaxed = Relaxation(kind, 0.5, seed=9)
    together = relaxed.weights(logits, completions, [0, 1, 2]).split([3, 1, 4])
    parts = logits.split([3, 1, 4])
    for item in (2, 0, 1):
        alone = relaxed.weights(parts[item], [completions[item]], [item])
        assert torch.equal(alone, together[item])
    assert not torch.allclose(relaxed.weights(parts[0], [completions[0]], [1]), together[0])
    other = Relaxation(kind, 0.5, seed=10).weights(parts[0], [completions[0]], [0])
    assert not torch.allclose(other, together[0])


@pytest.mark.parametrize("kind", ["gumbel", "straight_through"])
def test_tokens_that_are_all_but_impossible_leave_no_nan(kind):
    logits = torch.tensor([[0.0, -300.0, -math.inf, 5.0]] * 2).requires_grad_()
    weights = Relaxation(kind).weights(logits, [completion_of(torch.tensor([1, 3]))], [0])
    weights[:, 0].sum().backward()
    assert logits.grad is not None
    assert bool(weights.isfinite().all())
    assert bool(logits.grad.isfinite().all())


def test_uniform_zeros_give_finite_times(monkeypatch):
    monkeypatch.setattr(relaxation_module.torch, "rand", lambda *shape, generator: torch.zeros(*shape))
    assert bool(exponentials(1, 2, 0).isfinite().all())


def test_a_temperature_of_zero_is_refused():
    with pytest.raises(ValueError, match=r"must be above 0, got 0"):
        Relaxation("gumbel", 0.0)


def test_noise_is_described_and_its_absence_is_not():
    assert Relaxation().describe() == {}
    described = Relaxation("gumbel", 0.5, seed=4).describe()
    assert described == {"relaxation": "gumbel", "temperature": 0.5, "noise_seed": 4}
