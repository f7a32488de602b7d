"""Activations are read and changed as a computation by hand says, and the model is given back as it was."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from transformers import PreTrainedModel

from holdfast.models.activation_sites import (
    ActivationSite,
    mlp_output_sites,
    neuron_sites,
    residual_site,
    residual_sites,
)
from holdfast.models.activations import changing, reading
from holdfast.models.mlps import find_mlps
from tests.models.families import EVERY, FAMILIES, make_family
from tests.tiny import make_llama, make_moe

TOKEN_IDS = torch.tensor([[5, 9, 20, 11], [3, 8, 8, 2]])
OWN_WAY = ("llama4_text", "dbrx", "jetmoe")
"""Families whose experts compute in a way that shows no neurons."""


def logits_of(model: nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return model(TOKEN_IDS).logits


def hooks_of(model: nn.Module) -> int:
    return sum(len(module._forward_pre_hooks) + len(module._forward_hooks) for module in model.modules())


def readable(model: PreTrainedModel) -> list[ActivationSite]:
    return [*neuron_sites(model), *mlp_output_sites(model), *residual_sites(model)]


def test_the_residual_stream_is_what_transformers_returns():
    model = make_llama()
    with torch.no_grad(), reading(model, residual_sites(model)) as activations:
        states = model(TOKEN_IDS, output_hidden_states=True).hidden_states
    assert torch.equal(activations["model.layers.0@output"], states[1])
    normed = model.model.norm(activations["model.layers.1@output"])  # the last one comes after the final norm
    assert torch.equal(normed, states[2])


def test_neurons_are_the_gated_hidden_units():
    model = make_llama()
    mlp = model.model.layers[1].mlp
    inputs = ActivationSite("model.layers.1.mlp", "input", (16,), 1, "model.layers.1")
    with torch.no_grad(), reading(model, [inputs, *neuron_sites(model), *mlp_output_sites(model)]) as activations:
        model(TOKEN_IDS)
        hidden = activations["model.layers.1.mlp@input"]
        by_hand = nn.functional.silu(mlp.gate_proj(hidden)) * mlp.up_proj(hidden)
    assert torch.equal(activations["model.layers.1.mlp.down_proj@input"], by_hand)
    assert torch.equal(activations["model.layers.1.mlp@output"], mlp.down_proj(by_hand))


def test_neurons_of_experts_are_zero_where_a_token_was_not_sent():
    model = make_moe()  # 4 experts, 2 for each token
    experts = model.model.layers[0].mlp.experts
    inputs = ActivationSite("model.layers.0.mlp", "input", (16,), 0, "model.layers.0")
    site = neuron_sites(model)[0]
    with torch.no_grad(), reading(model, [inputs, site]) as activations:
        model(TOKEN_IDS)
        neurons, hidden = activations[site.name], activations[inputs.name]
        _, _, chosen = model.model.layers[0].mlp.gate(hidden.view(-1, 16))
    assert neurons.shape == (2, 4, 4, 16)
    used = neurons.flatten(0, 1).abs().sum(-1) > 0
    assert torch.equal(used, torch.zeros(8, 4, dtype=torch.bool).scatter(1, chosen, True))
    gate, up = (experts.gate_up_proj[chosen[5, 0]] @ hidden[1, 1]).chunk(2)
    torch.testing.assert_close(neurons[1, 1, chosen[5, 0]], nn.functional.silu(gate) * up)


@pytest.mark.parametrize("family", EVERY)
def test_reading_changes_no_logits_and_leaves_no_hook(family):
    model = make_family(family)
    sites = [site for site in readable(model) if not (family.name in OWN_WAY and len(site.shape) == 2)]
    plain, implementation = logits_of(model), getattr(model.config, "_experts_implementation", None)
    with reading(model, sites) as activations:
        read = logits_of(model)
    torch.testing.assert_close(read, plain)
    assert torch.equal(logits_of(model), plain)
    assert getattr(model.config, "_experts_implementation", None) == implementation
    assert hooks_of(model) == 0
    assert {name: tuple(read.shape) for name, read in activations.items()} == {
        site.name: (2, 4, *site.shape) for site in sites
    }


@pytest.mark.parametrize("family", EVERY)
def test_zeroing_neurons_equals_zeroing_their_columns(family):
    model = make_family(family)
    for mlp, site in zip(find_mlps(model), neuron_sites(model), strict=True):
        if family.name in OWN_WAY and len(site.shape) == 2:
            continue
        neurons = torch.arange(0, site.shape[-1] * max(1, mlp.num_experts), 5)
        keep = torch.ones(site.shape).flatten().index_fill(0, neurons, 0).view(site.shape)
        with changing(model, site, lambda activation, keep=keep: activation * keep):
            changed = logits_of(model)
        weight = model.get_parameter(mlp.axes["down"].name)
        before = weight.detach().clone()
        with torch.no_grad():
            weight.view(-1)[mlp.axes["down"].entries(neurons, mlp.width)] = 0
        torch.testing.assert_close(changed, logits_of(model))
        assert not torch.allclose(changed, logits_of(make_family(family)), atol=1e-7, rtol=0)
        with torch.no_grad():
            weight.copy_(before)


@pytest.mark.parametrize("make", [make_llama, make_moe])
def test_only_the_given_positions_change(make):
    model = make()
    site, at = neuron_sites(model)[0], (torch.tensor([1]), torch.tensor([-2]))
    seen = []
    with torch.no_grad(), reading(model, [site]) as before:
        model(TOKEN_IDS)
    changed = changing(model, site, lambda neurons: seen.append(neurons) or neurons + 1, at)
    with changed, reading(model, [site]) as after:
        logits_of(model)
    assert torch.equal(seen[0], before[site.name][1, 2][None])
    difference = after[site.name] - before[site.name]
    torch.testing.assert_close(difference[1, 2], torch.ones(site.shape))
    difference[1, 2] = 0
    assert not difference.any()


def test_positions_are_read_alone():
    model = make_llama()
    sites, at = residual_sites(model), (torch.tensor([0, 1]), torch.tensor([3, -1]))
    with torch.no_grad(), reading(model, sites) as all_positions, reading(model, sites, at) as some:
        model(TOKEN_IDS)
    for site in sites:
        assert torch.equal(some[site.name], all_positions[site.name][:, 3])


def test_changes_apply_while_generating():
    model = make_llama()
    model.generation_config.pad_token_id = 0
    site = residual_site(model, 0)
    generate: Callable[..., torch.Tensor] = model.generate  # pyright: ignore
    plain = generate(TOKEN_IDS, max_new_tokens=4, do_sample=False)
    with changing(model, site, torch.neg):
        changed = generate(TOKEN_IDS, max_new_tokens=4, do_sample=False)
    assert not torch.equal(plain, changed)
    assert torch.equal(plain, generate(TOKEN_IDS, max_new_tokens=4, do_sample=False))


@pytest.mark.parametrize("make", [make_llama, make_moe])
def test_gradients_flow_through_a_change(make):
    """d logits / d shift equals the slope between two shifts, up to the norms' float32."""
    model = make().double()
    site = neuron_sites(model)[0]
    shift = torch.zeros(site.shape, dtype=torch.float64, requires_grad=True)

    def objective(offset: torch.Tensor) -> torch.Tensor:
        with changing(model, site, lambda neurons: neurons + offset):
            return model(TOKEN_IDS).logits[..., 7].sum()

    (gradient,) = torch.autograd.grad(objective(shift), shift)
    direction = torch.full(site.shape, 1e-3, dtype=torch.float64)
    slope = (objective(direction) - objective(-direction)) / 2e-3
    torch.testing.assert_close(gradient.sum(), slope, rtol=1e-3, atol=0)


@pytest.mark.parametrize("make", [make_llama, make_moe])
def test_blocks_nest_and_the_outer_change_comes_first(make):
    model = make()
    for site in (neuron_sites(model)[0], residual_site(model, 0)):
        one, two_more = changing(model, site, lambda each: each * 0 + 1), changing(model, site, lambda each: each + 2)
        with one, two_more, reading(model, [site]) as activations:
            logits_of(model)
        assert float(activations[site.name].max()) == 3


@pytest.mark.parametrize("make", [make_llama, make_moe])
def test_the_model_is_given_back_after_an_exception(make):
    model = make()
    plain = logits_of(model)
    for site in readable(model):
        with pytest.raises(RuntimeError, match="stop"), changing(model, site, torch.neg):
            raise RuntimeError("stop")
        assert hooks_of(model) == 0
    assert torch.equal(logits_of(model), plain)
    assert not any("_holdfast_taps" in module.__dict__ for module in model.modules())


def test_a_function_that_returns_another_shape_is_refused():
    model = make_llama()
    wrong = changing(model, residual_site(model, 0), lambda activation: activation[:, :2])
    with wrong, pytest.raises(ValueError, match=r"0@output' returned \(2, 2, 16\); return shape \(2, 4, 16\)"):
        logits_of(model)


def test_a_site_of_another_model_is_refused():
    model = make_llama(layers=2)
    deeper = reading(model, [residual_site(make_llama(layers=3), 2)])
    with pytest.raises(ValueError, match=r"no module 'model.layers.2' for the site 'model.layers.2@output'"), deeper:
        pass
    narrower = reading(model, [residual_site(make_llama(width=8), 0)])
    with narrower, pytest.raises(ValueError, match="the module sees only some of them"):
        logits_of(model)


def test_an_activation_that_was_not_read_is_refused():
    model = make_llama()
    with reading(model, residual_sites(model)) as activations:
        pass
    with pytest.raises(ValueError, match=r"no activation of 'model.layers.0@output' was read"):
        activations["model.layers.0@output"]


@pytest.mark.parametrize("name", OWN_WAY)
def test_experts_that_show_no_neurons_are_refused(name):
    model = make_family(next(family for family in FAMILIES if family.name == name))
    site = next(site for site in neuron_sites(model) if len(site.shape) == 2)
    refused = pytest.raises(ValueError, match=r"it computes all experts in its own way|sees only some of them")
    with refused, reading(model, [site]):
        logits_of(model)
    assert hooks_of(model) == 0
