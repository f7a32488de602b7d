"""Sites name the neurons, the residual stream and the MLP outputs of a model."""

import pytest

from holdfast.models.activation_sites import mlp_output_sites, neuron_sites, residual_site, residual_sites
from tests.models.families import FAMILIES, make_family
from tests.tiny import make_llama, make_moe


def test_sites_of_a_dense_model():
    model = make_llama()
    assert [(site.name, site.shape, site.layer) for site in neuron_sites(model)] == [
        ("model.layers.0.mlp.down_proj@input", (32,), 0),
        ("model.layers.1.mlp.down_proj@input", (32,), 1),
    ]
    assert [site.name for site in mlp_output_sites(model)] == ["model.layers.0.mlp@output", "model.layers.1.mlp@output"]
    assert [(site.name, site.shape) for site in residual_sites(model)] == [
        ("model.layers.0@output", (16,)),
        ("model.layers.1@output", (16,)),
    ]


def test_neurons_of_stacked_experts_have_two_dimensions():
    assert [(site.name, site.shape) for site in neuron_sites(make_moe())] == [
        ("model.layers.0.mlp.experts.down_proj@input", (4, 16)),
        ("model.layers.1.mlp.experts.down_proj@input", (4, 16)),
    ]


def test_an_mlp_beside_experts_has_an_output_of_its_own():
    model = make_family(next(family for family in FAMILIES if family.name == "granitemoeshared"))
    names = [site.name.removeprefix("model.layers.") for site in mlp_output_sites(model)]
    assert names == [
        "0.block_sparse_moe@output",
        "0.shared_mlp@output",
        "1.block_sparse_moe@output",
        "1.shared_mlp@output",
    ]


def test_a_layer_is_counted_from_either_end():
    model = make_llama()
    assert residual_site(model, -1) == residual_site(model, 1)
    with pytest.raises(ValueError, match="layer 2 is not one of this model's 2; give 0 to 1"):
        residual_site(model, 2)
