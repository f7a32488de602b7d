import pytest
import torch

from holdfast.directions.transplant import fit_transplant, r_squared


def twins(count: int = 200, shared: int = 6, *, noise: float = 0.1) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """States of two models of other widths that see the same few things in each sentence. Layer 1 sees them alone."""
    generator = torch.Generator().manual_seed(0)
    seen = torch.randn(count, shared, generator=generator)
    into_source, into_target = (torch.randn(shared, width, generator=generator) for width in (20, 30))
    source = seen @ into_source + noise * torch.randn(count, 20, generator=generator) + 3.0
    target = torch.randn(2, count, 30, generator=generator)
    target[1] = seen @ into_target + noise * target[1] - 5.0
    return source, target, torch.linalg.pinv(into_source) @ into_target


def test_a_shared_direction_arrives_where_the_target_has_it():
    source, target, truth = twins()
    fitted = fit_transplant(source, target)
    assert [one.layer for one in fitted] == [0, 1]
    assert fitted[1].explained > 0.95
    assert fitted[0].explained < 0.1
    assert max(one.shuffled for one in fitted) < 0.1
    vector = source[0] - source[1]  # what a difference of two sentences becomes
    assert torch.cosine_similarity(vector @ fitted[1].matrix, vector @ truth, dim=0) > 0.99
    assert fitted[1].rank < 20, "directions of noise are left out"


def test_the_map_equals_least_squares_where_nothing_is_left_out():
    source, target, _ = twins(noise=0.01)
    (one,) = fit_transplant(source, target, layer=1)
    generator = torch.Generator().manual_seed(0)
    fitted = torch.randperm(200, generator=generator)[:120]
    x, y = source[fitted] - source[fitted].mean(0), target[1][fitted] - target[1][fitted].mean(0)
    exact = torch.linalg.lstsq(x, y).solution
    tested = torch.arange(200)
    assert r_squared(one.matrix, source, target[1], fitted, tested) == pytest.approx(
        r_squared(exact, source, target[1], fitted, tested), abs=1e-3
    )


def test_r_squared_by_hand():
    source, target = torch.tensor([[0.0], [2.0], [3.0]]), torch.tensor([[1.0], [3.0], [5.0]])
    fitted, tested = torch.tensor([0, 1]), torch.tensor([2])
    # means 1 and 2; the tested sentence lies 3 from the mean of the target, and the map 1 explains 2 of it
    assert r_squared(torch.ones(1, 1), source, target, fitted, tested) == pytest.approx(1 - 1 / 9)


@pytest.mark.parametrize(
    ("count", "layer", "sentence"),
    [(49, None, "needs 50 texts or more, got 49"), (60, 2, "layer 2 is not one of the target's 2; give 0 to 1")],
)
def test_what_cannot_be_fitted_is_one_sentence(count, layer, sentence):
    source, target, _ = twins(count)
    with pytest.raises(ValueError, match=sentence):
        fit_transplant(source, target, layer=layer)
