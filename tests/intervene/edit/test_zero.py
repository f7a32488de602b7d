"""Selected entries are zero inside the block, as their neurons are, and every bit comes back at its end."""

import pytest
import torch

from holdfast.intervene.edit.zero import zeroed
from holdfast.models.activation_sites import neuron_sites
from holdfast.models.activations import changing
from holdfast.models.fingerprints import fingerprint
from holdfast.select.neurons import neuron_weights
from holdfast.values import Mask
from tests.intervene.given import as_booleans, bits, equal_bits, random_mask
from tests.tiny import make_llama

TOKEN_IDS = torch.tensor([[5, 9, 20, 11]])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_selected_entries_alone_are_zero_and_every_bit_comes_back(dtype):
    model = make_llama().to(dtype)
    mask, start = random_mask(model), bits(model)
    with zeroed(model, mask):
        for name, weight in bits(model).items():
            chosen = as_booleans(mask, name, weight.shape)
            assert not weight[chosen].any()
            assert torch.equal(weight[~chosen], start[name][~chosen])
    assert equal_bits(start, bits(model))


def test_every_bit_comes_back_after_an_exception():
    model = make_llama()
    mask, start = random_mask(model), bits(model)
    with pytest.raises(RuntimeError, match="stop"), zeroed(model, mask):
        raise RuntimeError("stop")
    assert equal_bits(start, bits(model))


def test_zeroed_columns_of_neurons_equal_zeroed_activations():
    model = make_llama()
    site = neuron_sites(model)[0]
    neurons = Mask({site.name: torch.tensor([3, 7])}, {site.name: site.shape}, fingerprint(model), 10**6, {}, "neuron")

    def off(activations):
        activations = activations.clone()
        activations[..., [3, 7]] = 0
        return activations

    with changing(model, site, off):
        expected = model(TOKEN_IDS).logits
    with zeroed(model, neuron_weights(model, neurons, ("down",))):
        assert torch.equal(model(TOKEN_IDS).logits, expected)
    with pytest.raises(ValueError, match="this mask selects neurons, and weights are needed"), zeroed(model, neurons):
        pass


def test_a_mask_of_another_model_is_refused():
    with (
        pytest.raises(ValueError, match="the mask was made for another model"),
        zeroed(make_llama(seed=1), random_mask(make_llama())),
    ):
        pass
