import pytest
import torch

from holdfast.intervene.edit.project_out import projected_out
from holdfast.models.activation_sites import residual_sites
from holdfast.models.activations import reading
from holdfast.models.fingerprints import fingerprint
from holdfast.values import Direction
from tests.tiny import make_llama, make_moe

TOKEN_IDS = torch.tensor([[5, 9, 20, 11], [3, 8, 8, 2]])


def states(model) -> list[torch.Tensor]:
    with torch.no_grad(), reading(model, residual_sites(model)) as activations:
        model(TOKEN_IDS)
    return [activations[site.name].clone() for site in residual_sites(model)]


@pytest.mark.parametrize("make", [make_llama, make_moe])
def test_no_layer_keeps_the_direction_and_the_model_is_given_back_also_after_an_error(make):
    model = make()
    given = Direction(torch.randn(16, generator=torch.Generator().manual_seed(4)), 1, 3.0, fingerprint(model))
    before, base = states(model), fingerprint(model)
    with projected_out(model, given):
        after = states(model)
    assert all(float((one @ given.unit).abs().max()) < 1e-5 for one in after)
    assert all(float((one @ given.unit).abs().max()) > 1e-3 for one in before), "it was there"
    with pytest.raises(RuntimeError), projected_out(model, given):
        raise RuntimeError
    assert all(map(torch.equal, states(model), before))
    assert fingerprint(model) == base


def test_the_embedding_is_projected_before_the_first_layer_reads_it():
    """Removing a direction from a first layer that copies its input says whether its input had it."""
    model = make_llama()
    given = Direction(torch.randn(16, generator=torch.Generator().manual_seed(4)), 0, 3.0, "base")
    embedded = []
    first = model.get_submodule(residual_sites(model)[0].path)
    handle = first.register_forward_pre_hook(lambda _, inputs: embedded.append(inputs[0].clone()))
    with torch.no_grad(), projected_out(model, given):
        model(TOKEN_IDS)
    handle.remove()
    assert float((embedded[0] @ given.unit).abs().max()) < 1e-5
