import pytest
import torch

from holdfast.intervene.edit.perturb import perturbed
from holdfast.values import Mask
from tests.intervene.given import as_booleans, bits, equal_bits, random_mask
from tests.tiny import make_llama, make_moe


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_every_bit_comes_back(dtype):
    model = make_llama().to(dtype)
    mask, start = random_mask(model), bits(model)
    with perturbed(model, mask, 0.38, generator()):
        assert not equal_bits(start, bits(model))
    assert equal_bits(start, bits(model))


def test_every_bit_comes_back_after_an_exception():
    model = make_llama()
    mask, start = random_mask(model), bits(model)
    with pytest.raises(RuntimeError, match="stop"), perturbed(model, mask, 2.0, generator()):
        raise RuntimeError("stop")
    assert equal_bits(start, bits(model))


def test_only_selected_entries_are_noisy():
    model = make_llama()
    mask, start = random_mask(model), bits(model)
    with perturbed(model, mask, 1.0, generator()):
        noisy = bits(model)
    for name, weight in noisy.items():
        chosen = as_booleans(mask, name, weight.shape)
        assert torch.equal(weight[~chosen], start[name][~chosen])
        assert bool((weight[chosen] != start[name][chosen]).all())


def test_noise_has_the_sigma_of_the_matrix_times_the_ratio():
    model = make_llama(width=32)
    name = "model.layers.0.mlp.down_proj.weight"
    with torch.no_grad():
        model.get_parameter(name).normal_(0.0, 3.0)
    start = bits(model)
    mask = random_mask(model, density=0.9)
    with perturbed(model, mask, 0.5, generator()):
        added = (model.get_parameter(name) - start[name]).detach()[as_booleans(mask, name, start[name].shape)]
    # The standard deviation of n normal draws has a relative error of 1 / sqrt(2 n), here 1.7%; five of them.
    assert float(added.std()) == pytest.approx(1.5, rel=5 * (2 * added.numel()) ** -0.5)


def test_each_fused_expert_has_its_own_sigma():
    model = make_moe(width=32)
    name = "model.layers.0.mlp.experts.gate_up_proj"
    weight = model.get_parameter(name)
    with torch.no_grad():
        for place, matrix in enumerate(weight.view(8, -1)):  # four experts, gate over up in each
            matrix.normal_(0.0, 10.0**place / 1e4)
    start = bits(model)
    mask = random_mask(model, density=0.9)
    with perturbed(model, mask, 1.0, generator()):
        added = (weight - start[name]).detach()
    chosen = as_booleans(mask, name, weight.shape)
    for place, (noise, which) in enumerate(zip(added.view(8, -1), chosen.view(8, -1), strict=True)):
        # About 900 draws a matrix: a relative error of 2.4%; five of them.
        assert float(noise[which].std()) == pytest.approx(10.0**place / 1e4, rel=0.12)


def test_equal_seeds_give_equal_noise():
    model = make_llama()
    mask = random_mask(model)
    draws = []
    for seed in (1, 1, 2):
        with perturbed(model, mask, 0.38, generator(seed)):
            draws.append(bits(model))
    assert equal_bits(draws[0], draws[1])
    assert not equal_bits(draws[0], draws[2])


def test_a_mask_for_another_model_is_refused():
    model = make_llama()
    with (
        pytest.raises(
            ValueError, match=r"that one has .* in shape \(32, 64\), and this LlamaForCausalLM in shape \(16, 32\)"
        ),
        perturbed(model, random_mask(make_llama(width=32)), 0.38, generator()),
    ):
        pass


def test_an_unknown_name_is_refused():
    model = make_llama()
    mask = Mask({"nothing.weight": torch.tensor([0])}, {"nothing.weight": (2, 2)}, "", 4)
    with (
        pytest.raises(ValueError, match=r"that one has a parameter 'nothing\.weight' of shape"),
        perturbed(model, mask, 0.38, generator()),
    ):
        pass


@pytest.mark.parametrize("ratio", [-0.1, float("nan"), float("inf")])
def test_a_ratio_that_is_no_amount_of_noise_is_refused(ratio):
    model = make_llama()
    with pytest.raises(ValueError, match="noise ratio"), perturbed(model, random_mask(model), ratio, generator()):
        pass
