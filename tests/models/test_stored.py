import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import GPT2Config, GPT2LMHeadModel

from holdfast.models.load import fingerprint, load_model, quiet_transformers
from holdfast.models.stored import open_stored, stored_fingerprint
from holdfast.tensor_files import RUN
from tests.models.families import EVERY, make_family, make_with_tower
from tests.stored import save
from tests.tiny import make_llama, make_moe


def edit(folder, change):
    """Rewrites the one file of weights."""
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "model.safetensors")


def equals_the_loaded(folder):
    """Whether names, shapes, entries and fingerprint are those of the model that is loaded from there."""
    stored, model = open_stored(str(folder)), load_model(str(folder), device="cpu").model
    assert stored_fingerprint(stored) == fingerprint(model)
    for name, weight in model.named_parameters():
        parameter = stored.parameters[name]
        assert torch.equal(parameter.read(0, weight.numel()).float(), weight.detach().float().flatten())
    return stored


@pytest.mark.parametrize("name", ["testbed:aligned", "testbed:aligned-moe"])
def test_a_built_in_checkpoint_has_the_fingerprint_of_the_loaded_model(name):
    assert stored_fingerprint(open_stored(name)) == load_model(name).base


@pytest.mark.parametrize("family", [*EVERY, pytest.param(None, id="with a tower")])
def test_every_family_is_found_in_its_shards_as_it_is_loaded(family, tmp_path):
    with quiet_transformers():
        model = make_family(family) if family else make_with_tower()
    equals_the_loaded(save(tmp_path, model, "40KB"))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_the_fingerprint_is_over_the_same_bits_in_every_dtype(dtype, tmp_path):
    assert equals_the_loaded(save(tmp_path, make_llama().to(dtype))).parameters["model.norm.weight"].dtype == dtype


def test_a_checkpoint_of_a_model_without_its_head_is_found_in_one_with_it(tmp_path):
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=340, n_embd=16, n_layer=2, n_head=2, n_positions=32))
    save(tmp_path, model.base_model)
    assert "transformer.h.0.attn.c_attn.weight" in equals_the_loaded(tmp_path).parameters


def test_a_tied_weight_that_is_stored_twice_is_one_parameter_with_two_copies(tmp_path):
    save(tmp_path, make_llama())
    edit(tmp_path, lambda tensors: tensors.update({"lm_head.weight": tensors["model.embed_tokens.weight"].clone()}))
    stored = equals_the_loaded(tmp_path)
    embedding = stored.parameters["model.embed_tokens.weight"]
    assert "lm_head.weight" not in stored.parameters
    embedding.put(torch.tensor([3, 9]), torch.tensor([5.0, 7.0]))
    written = load_file(tmp_path / "model.safetensors")
    assert torch.equal(written["lm_head.weight"], written["model.embed_tokens.weight"])
    assert written["lm_head.weight"].flatten()[[3, 9]].tolist() == [5.0, 7.0]


def test_a_tied_weight_that_is_stored_under_its_other_name_is_found(tmp_path):
    save(tmp_path, make_llama())
    edit(tmp_path, lambda tensors: tensors.update({"lm_head.weight": tensors.pop("model.embed_tokens.weight")}))
    assert "model.embed_tokens.weight" in equals_the_loaded(tmp_path).parameters


def test_weights_that_should_be_tied_and_differ_are_two_parameters(tmp_path):
    save(tmp_path, make_llama())
    edit(tmp_path, lambda tensors: tensors.update({"lm_head.weight": tensors["model.embed_tokens.weight"] + 1}))
    assert "lm_head.weight" in equals_the_loaded(tmp_path).parameters


def test_entries_are_taken_and_put_across_runs_and_stored_tensors(tmp_path):
    model = make_moe(width=256)
    stored = open_stored(str(save(tmp_path, model, "1MB")))
    name = "model.layers.0.mlp.experts.gate_up_proj"
    parameter, weight = stored.parameters[name], model.get_parameter(name).detach()
    assert parameter.num_entries > RUN  # in several runs, and in eight stored tensors
    index = torch.randperm(weight.numel(), generator=torch.Generator().manual_seed(0))[:5000].sort().values
    assert torch.equal(parameter.take(index), weight.flatten()[index])
    parameter.put(index, torch.arange(5000.0))
    expected = weight.flatten().clone()
    expected[index] = torch.arange(5000.0)
    loaded = load_model(str(tmp_path), device="cpu").model.get_parameter(name)
    assert torch.equal(loaded.detach().flatten(), expected)


def test_a_parameter_that_does_not_lie_in_order_is_refused(tmp_path, monkeypatch):
    save(tmp_path, make_llama())
    turned = "model.layers.0.self_attn.q_proj.weight"  # square, so that shapes do not tell

    def reverse(model, whole):
        return {name: tensor.t() if name == turned else tensor for name, tensor in whole.items()}

    monkeypatch.setattr("holdfast.models.stored.revert_weight_conversion", reverse)
    with pytest.raises(ValueError, match=f"stores {turned} in another order"):
        open_stored(str(tmp_path))


def test_a_quantized_checkpoint_is_refused(tmp_path):
    save(tmp_path, make_llama())
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"quantization_config": {"quant_method": "fp8"}}))
    with pytest.raises(ValueError, match="is quantized"):
        open_stored(str(tmp_path))
