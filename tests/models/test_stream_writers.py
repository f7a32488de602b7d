"""The matrix by which an MLP writes is found in every family that has one, and what stands behind it is noticed."""

import pytest
import torch
from transformers import AutoModelForCausalLM
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from holdfast.models.stream_writers import find_writer, require_unchanged
from tests.models.families import FAMILIES, SMALL, make_family
from tests.tiny import make_llama

SHIFT = torch.linspace(-1, 1, 16)


def made(name: str):
    if name == "granite":  # with a factor on what an MLP adds
        return AutoModelForCausalLM.from_config(CONFIG_MAPPING[name](**SMALL, residual_multiplier=0.22)).eval()
    return make_family(next(family for family in FAMILIES if family.name == name))


@pytest.mark.parametrize(
    ("name", "weight", "bias", "inputs_first"),
    [
        ("llama", "model.layers.1.mlp.down_proj.weight", None, False),
        ("gpt2", "transformer.h.1.mlp.c_proj.weight", "transformer.h.1.mlp.c_proj.bias", True),
        ("gpt_neox", "gpt_neox.layers.1.mlp.dense_4h_to_h.weight", "gpt_neox.layers.1.mlp.dense_4h_to_h.bias", False),
    ],
)
def test_the_matrix_and_its_bias_are_found_and_what_they_write_arrives(name, weight, bias, inputs_first):
    model = made(name)
    writer = find_writer(model, 1)
    assert (writer.weight, writer.bias, writer.inputs_first) == (weight, bias, inputs_first)
    assert tuple(model.get_parameter(weight).shape) == ((writer.width, 16) if inputs_first else (16, writer.width))
    require_unchanged(model, writer, SHIFT)


@pytest.mark.parametrize("name", ["gemma2", "olmo2", "granite"])
def test_a_norm_or_factor_behind_the_matrix_is_noticed(name):
    model = made(name)
    with pytest.raises(ValueError, match=r"down_proj writes does not reach the residual stream unchanged: a norm or a"):
        require_unchanged(model, find_writer(model, 1), SHIFT)


@pytest.mark.parametrize("name", ["qwen3_moe", "qwen2_moe"])
def test_a_layer_with_experts_is_refused(name):
    with pytest.raises(ValueError, match=r"layer 1 of .* has experts, each of which writes for some tokens"):
        find_writer(made(name), 1)


def test_a_layer_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="layer 2 is not one of this model's 2; give 0 to 1"):
        find_writer(make_llama(), 2)
