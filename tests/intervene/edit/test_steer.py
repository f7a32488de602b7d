import pytest
import torch

from holdfast.artifacts import save_direction
from holdfast.intervene.edit.steer import steered
from holdfast.models.activation_sites import residual_sites
from holdfast.models.activations import reading
from holdfast.models.fingerprints import fingerprint
from holdfast.values import Direction
from tests.tiny import make_llama

TOKEN_IDS = torch.tensor([[5, 9, 20, 11], [3, 8, 8, 2]])


def direction_of(model, layer: int = 0, norm: float = 3.0) -> Direction:
    return Direction(torch.randn(16, generator=torch.Generator().manual_seed(4)), layer, norm, fingerprint(model))


def states(model, token_ids=TOKEN_IDS):
    with torch.no_grad(), reading(model, residual_sites(model)) as activations:
        model(token_ids)
    return [activations[site.name].clone() for site in residual_sites(model)]


def test_a_state_moves_by_the_coefficient_times_the_usual_length():
    model = make_llama()
    given, before = direction_of(model), states(model)[0]
    with steered(model, given, 0.5):
        after = states(model)[0]
    assert torch.allclose(after - before, (1.5 * given.vector / given.vector.norm()).expand_as(before), atol=1e-6)
    assert torch.equal(states(model)[0], before), "it is taken away"


def test_piecewise_moves_each_state_away_from_the_boundary_and_renormed_keeps_its_length():
    model = make_llama()
    given, before = direction_of(model), states(model)[0]
    unit = given.vector / given.vector.norm()
    with steered(model, given, 0.5, rule="piecewise"):
        moved = states(model)[0]
    assert torch.allclose(moved, before + 1.5 * torch.sign(before @ unit)[..., None] * unit, atol=1e-6)
    assert {float(side) for side in torch.sign(before @ unit).flatten()} == {-1.0, 1.0}, "both sides are tested"
    with steered(model, given, 0.5, renorm=True):
        kept = states(model)[0]
    assert torch.allclose(kept.norm(dim=-1), before.norm(dim=-1), atol=1e-5)
    plain = before + 1.5 * unit
    assert torch.allclose(kept, plain * (before.norm(dim=-1) / plain.norm(dim=-1))[..., None], atol=1e-5)


@pytest.mark.parametrize(
    ("where", "prompt", "single"),
    [("all", [1, 1, 1, 1], 1), ("prompt", [1, 1, 1, 1], 0), ("response", [0, 0, 0, 1], 1)],
)
def test_the_tokens_that_move_are_those_asked_for(where, prompt, single):
    model = make_llama()
    given = direction_of(model)
    before, one = states(model)[0], states(model, TOKEN_IDS[:, :1])[0]
    with steered(model, given, 1.0, where=where):
        after, one_after = states(model)[0], states(model, TOKEN_IDS[:, :1])[0]
    assert ((after - before).norm(dim=-1) > 1e-3).int().tolist() == [prompt, prompt]
    assert bool(((one_after - one).norm(dim=-1) > 1e-3).all()) == bool(single)


def test_the_end_of_the_block_takes_the_change_away_and_weights_keep_every_bit(tmp_path):
    model = make_llama()
    given, base, before = direction_of(model, layer=1), fingerprint(model), states(model)
    save_direction(tmp_path / "direction.safetensors", given)
    with steered(model, tmp_path / "direction.safetensors", 0.5):
        assert not all(map(torch.equal, states(model), before))
    assert all(map(torch.equal, states(model), before))
    assert fingerprint(model) == base


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"coefficient": float("nan")}, "must be a finite number, got nan"),
        ({"coefficient": 0}, "a coefficient of 0 changes nothing; give another"),
        ({"coefficient": "much"}, "must be a finite number, got 'much'"),
        ({"rule": "subtract"}, "rule is 'subtract'"),
        ({"where": "everywhere"}, "where is 'everywhere'"),
        ({"direction": 3}, "a direction was expected, got int"),
    ],
)
def test_what_cannot_be_steered_is_one_sentence(changed, sentence):
    model = make_llama()
    arguments = {"direction": direction_of(model), "coefficient": 1.0} | changed
    with pytest.raises(ValueError, match=sentence):
        steered(model, **arguments)


def test_a_direction_of_another_model_layer_or_width_is_refused():
    model = make_llama()
    with pytest.raises(ValueError, match="the direction was made for another model"):
        steered(make_llama(seed=1), direction_of(model), 1.0)
    with pytest.raises(ValueError, match="layer 7 is not one of this model's 2"):
        steered(model, direction_of(model, layer=7), 1.0)
    model.config.name_or_path = "org/wide"
    narrow = Direction(torch.ones(8), 0, 1.0, fingerprint(model), {"model": {"name": "org/narrow"}})
    with pytest.raises(ValueError, match=r"of 'org/narrow' has 8 dimensions, and that of 'org/wide' .* has 16;"):
        steered(model, narrow, 1.0)
