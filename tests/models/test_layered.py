"""Layers that are read one at a time are those of the model that is loaded whole, in every family."""

import gc
import weakref

import pytest
import torch
from torch import nn

from holdfast.models.layered import in_memory, open_layered
from holdfast.models.load import load_model, quiet_transformers
from tests.models.families import EVERY, make_family
from tests.stored import save
from tests.tiny import make_llama, make_loaded, make_tokenizer


def tensors(module: nn.Module) -> dict[str, torch.Tensor]:
    return dict([*module.named_parameters(), *module.named_buffers()])


def assert_equal(found: nn.Module, expected: nn.Module) -> None:
    assert tensors(found).keys() == tensors(expected).keys()
    for name, tensor in tensors(expected).items():
        assert tensors(found)[name].dtype == tensor.dtype
        assert torch.equal(tensors(found)[name], tensor), name


def assert_as_loaded(folder) -> None:
    layered, whole = open_layered(str(folder), device="cpu"), load_model(str(folder), device="cpu")
    assert layered.loaded.base == whole.base
    assert layered.loaded.storage_dtype == whole.storage_dtype
    assert [name for name, _ in layered.loaded.model.named_parameters()] == [
        name for name, _ in whole.model.named_parameters()
    ]
    for number, layer in enumerate(in_memory(whole).layers):
        assert_equal(layered.read(number), layer)
    outside = {name: one for name, one in tensors(whole.model).items() if not name.startswith(layered.path)}
    for name, tensor in outside.items():
        assert torch.equal(tensors(layered.loaded.model)[name], tensor), name


@pytest.mark.parametrize("family", EVERY)
def test_every_family_is_read_layer_by_layer_as_it_is_loaded_whole(family, tmp_path):
    with quiet_transformers():
        assert_as_loaded(save(tmp_path, make_family(family), "40KB"))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_checkpoint_in_half_precision_is_read_in_float32_on_a_cpu(dtype, tmp_path):
    assert_as_loaded(save(tmp_path, make_llama().to(dtype)))
    layer = open_layered(str(tmp_path), device="cpu").read(0)
    assert {weight.dtype for weight in layer.parameters()} == {torch.float32}


def test_only_what_stands_outside_the_layers_has_values_and_tied_weights_are_one(tmp_path):
    layered = open_layered(str(save(tmp_path, make_llama())), device="cpu")
    model = layered.loaded.model
    for name, weight in model.named_parameters():
        assert weight.is_meta == name.startswith("model.layers.")
    assert model.lm_head.weight is model.model.embed_tokens.weight


def test_a_layer_is_gone_when_nothing_refers_to_it(tmp_path):
    layered = open_layered(str(save(tmp_path, make_llama())), device="cpu")
    layer = layered.read(1)
    values = weakref.ref(layer.mlp.up_proj.weight)
    del layer
    gc.collect()
    assert values() is None


def test_the_layers_of_a_model_in_memory_are_its_own(llama):
    layered = in_memory(make_loaded(llama, make_tokenizer()))
    assert layered.path == "model.layers."
    assert [layered.read(number) for number in range(2)] == list(llama.model.layers)


def test_layers_that_share_a_parameter_are_refused(llama):
    first, second = llama.model.layers
    second.mlp.up_proj.weight = first.mlp.up_proj.weight
    with pytest.raises(ValueError, match=r"layers of LlamaForCausalLM share parameters"):
        in_memory(make_loaded(llama, make_tokenizer()))
