"""A mask of neurons becomes the mask of their weights, and is refused by a model of another width."""

import pytest
import torch

from holdfast.intervene.entries import masked_entries
from holdfast.models.activation_sites import neuron_sites
from holdfast.models.load import fingerprint
from holdfast.select.neurons import neuron_weights
from holdfast.values import Mask
from tests.models.families import FAMILIES, make_family
from tests.tiny import make_llama, make_moe


def mask_of(model, chosen: dict[int, list[int]]) -> Mask:
    """A mask of neurons, by layer."""
    sites = neuron_sites(model)
    indices = {sites[layer].name: torch.tensor(neurons) for layer, neurons in chosen.items()}
    shapes = {site.name: site.shape for site in sites}
    total = sum(torch.zeros(site.shape).numel() for site in sites)
    return Mask(indices, shapes, fingerprint(model), total, {"selector": "hand"}, "neuron")


def test_weights_are_columns_of_down_and_rows_of_gate_and_up():
    model = make_llama()  # d_model 16, d_mlp 32
    weights = neuron_weights(model, mask_of(model, {1: [0, 31]}))
    assert weights.granularity == "weight"
    path = "model.layers.1.mlp."
    assert set(weights.indices) == {f"{path}{name}_proj.weight" for name in ("down", "gate", "up")}
    assert weights[f"{path}down_proj.weight"].tolist() == sorted(
        [32 * row + place for row in range(16) for place in (0, 31)]
    )
    assert weights[f"{path}up_proj.weight"].tolist() == [*range(16), *range(496, 512)]
    assert weights.num_parameters == sum(weight.numel() for weight in model.parameters())
    assert weights.made_by["neurons"] == {"selector": "hand"}


@pytest.mark.usefixtures("unchecked")
def test_only_the_parts_asked_for_count():
    model = make_llama()
    mask = mask_of(model, {0: [3]})
    assert set(neuron_weights(model, mask, ("down",)).indices) == {"model.layers.0.mlp.down_proj.weight"}
    assert len(neuron_weights(model, mask, ("gate", "up"))) == 32
    with pytest.raises(ValueError, match="a part of a neuron is 'column'"):
        neuron_weights(model, mask, ("column",))  # pyright: ignore
    with pytest.raises(ValueError, match="selects no weight of neurons in no matrix"):
        neuron_weights(model, mask, ())


def test_fused_experts_keep_gate_and_up_of_the_same_expert():
    model = make_moe()  # 4 experts of 16 neurons, d_model 16
    weights = neuron_weights(model, mask_of(model, {0: [16 + 2]}))  # neuron 2 of expert 1
    gate_up = weights["model.layers.0.mlp.experts.gate_up_proj"].view(2, 16)
    start = 32 * 16  # rows of expert 0
    assert gate_up[0].tolist() == list(range(start + 2 * 16, start + 3 * 16))
    assert gate_up[1].tolist() == list(range(start + 18 * 16, start + 19 * 16))
    assert weights["model.layers.0.mlp.experts.down_proj"].tolist() == [256 + 16 * row + 2 for row in range(16)]


def test_a_conv1d_has_neurons_as_rows_of_what_writes():
    model = make_family(next(family for family in FAMILIES if family.name == "gpt2"))  # d_model 16, d_mlp 24
    weights = neuron_weights(model, mask_of(model, {0: [5]}))
    assert weights["transformer.h.0.mlp.c_proj.weight"].tolist() == list(range(80, 96))
    assert weights["transformer.h.0.mlp.c_fc.weight"].tolist() == [24 * row + 5 for row in range(16)]


def test_a_mask_of_weights_stays_as_it_is():
    model = make_llama()
    weights = neuron_weights(model, mask_of(model, {0: [3]}))
    assert neuron_weights(model, weights) is weights


def test_another_model_is_refused():
    mask = mask_of(make_llama(), {0: [3]})
    with pytest.raises(
        ValueError, match=r"that one has 32 neurons 'model.layers.0.mlp.down_proj@input', and .* has 16;"
    ):
        neuron_weights(make_llama(width=8), mask)
    with pytest.raises(
        ValueError, match=r"has 32 neurons 'model.layers.1.mlp.down_proj@input', and this LlamaForCausalLM has none"
    ):
        neuron_weights(make_llama(layers=1), mask)


def test_what_needs_weights_refuses_a_mask_of_neurons():
    model = make_llama()
    with pytest.raises(ValueError, match="this mask selects neurons, and weights are needed; turn it into"):
        masked_entries(model, mask_of(model, {0: [3]}))
