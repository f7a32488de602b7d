"""The dtypes of a checkpoint are those of its files, whatever its config says."""

import json
from collections import Counter

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import GPT2Config, GPT2LMHeadModel

from holdfast.models.load import load_model, load_outline
from holdfast.models.locate import weight_files
from holdfast.models.storage import Storage, read_storage, stored_apart
from tests.stored import save
from tests.tiny import make_llama, make_moe

NORM = "model.norm.weight"


def say(folder, **words):
    """Has a config say something else; None takes a word out of it."""
    config = {**json.loads((folder / "config.json").read_text()), **words}
    (folder / "config.json").write_text(json.dumps({key: value for key, value in config.items() if value is not None}))
    return str(folder)


def rewrite(folder, change):
    """Rewrites the one file of weights, and returns the folder."""
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file({name: value.contiguous() for name, value in tensors.items()}, folder / "model.safetensors")
    return folder


def widen(*names):
    return lambda tensors: tensors.update({name: tensors[name].float() for name in names})


@pytest.mark.parametrize("shard", ["50GB", "15KB"])
@pytest.mark.parametrize("said", [None, "float32", "float16"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_the_headers_decide_and_not_the_config(dtype, said, shard, tmp_path):
    folder = say(save(tmp_path, make_llama().to(dtype), shard), dtype=said)
    loaded = load_model(folder, device="cpu")
    assert (loaded.storage_dtype, loaded.stored_apart) == (dtype, {})
    assert load_outline(folder, torch.device("cpu")).storage_dtype == dtype
    assert load_outline(folder, torch.device("meta")).model.dtype == dtype, "as a GPU would load it"


def test_without_its_files_a_plan_takes_the_config_at_its_word(tmp_path):
    folder = save(tmp_path, make_llama().bfloat16())
    (folder / "model.safetensors").unlink()
    assert load_outline(say(folder, dtype="float16"), torch.device("cpu")).storage_dtype == torch.float16
    assert load_outline(say(folder, dtype=None), torch.device("cpu")).storage_dtype == torch.float32


def test_files_of_a_hub_id_are_read_where_they_were_fetched_to(tmp_path, monkeypatch):
    cache = tmp_path / "models--some--model"
    save(cache / "snapshots" / "abc", make_llama().bfloat16(), "15KB")
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text("abc")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert len(weight_files("some/model", fetch=False)) == 2
    assert read_storage(weight_files("some/model", fetch=True)).dtype == torch.bfloat16
    assert weight_files("some/other", fetch=False) == weight_files("some/other", fetch=True) == []


def test_most_entries_decide_and_the_others_are_named(tmp_path):
    folder = save(tmp_path, make_llama().bfloat16())
    names = [NORM, "model.layers.0.self_attn.q_proj.weight"]
    loaded = load_model(str(rewrite(folder, widen(*names))), device="cpu")
    assert loaded.storage_dtype == torch.bfloat16
    assert loaded.stored_apart == dict.fromkeys(names, torch.float32)
    assert [loaded.stored_dtype(name) for name in (NORM, "model.layers.1.mlp.up_proj.weight")] == [
        torch.float32,
        torch.bfloat16,
    ]


def test_whole_numbers_do_not_count_and_eight_bit_floats_are_saved_in_sixteen(tmp_path):
    tensors = {
        "packed": torch.zeros(90, dtype=torch.int8),
        "a_scale": torch.zeros(3),
        "norm": torch.zeros(2).bfloat16(),
    }
    tensors["eight"] = torch.zeros(4).to(torch.float8_e4m3fn)
    save_file(tensors, tmp_path / "model.safetensors")
    storage = read_storage([tmp_path / "model.safetensors"])
    assert storage.dtype == torch.bfloat16  # six entries against three
    assert Counter(storage.by_name.values()) == {torch.bfloat16: 2, torch.float32: 1}
    save_file({"packed": tensors["packed"]}, tmp_path / "model.safetensors")
    assert read_storage([tmp_path / "model.safetensors"]) is None


def test_eight_bit_files_without_a_quantizer_are_loaded_exactly_and_stored_in_sixteen(tmp_path):
    folder = save(tmp_path, make_llama().to(torch.float8_e5m2).bfloat16())
    rewrite(folder, lambda held: held.update({name: value.to(torch.float8_e5m2) for name, value in held.items()}))
    loaded = load_model(str(folder), device="cpu")
    assert (loaded.storage_dtype, loaded.model.dtype) == (torch.bfloat16, torch.float32)


def test_a_tied_weight_is_found_under_either_name_and_a_prefix_may_be_missing():
    llama = make_llama()
    by_name = dict.fromkeys(llama.state_dict(), torch.bfloat16) | {"lm_head.weight": torch.float32}
    del by_name["model.embed_tokens.weight"]
    apart = stored_apart(llama, Storage(torch.bfloat16, by_name))
    assert apart == {"lm_head.weight": torch.float32, "model.embed_tokens.weight": torch.float32}
    gpt2 = GPT2LMHeadModel(GPT2Config(vocab_size=34, n_embd=8, n_layer=1, n_head=1, n_positions=8))
    short = {name.removeprefix("transformer."): torch.float16 for name in gpt2.state_dict()} | {
        "ln_f.bias": torch.float32
    }
    assert stored_apart(gpt2, Storage(torch.float16, short)) == {"transformer.ln_f.bias": torch.float32}


@pytest.mark.parametrize(("widened", "fused"), [("model.norm.weight", None), ("experts.0.up_proj", torch.float32)])
def test_fused_experts_are_of_most_entries_dtype_unless_a_wider_tensor_may_be_one_of_theirs(widened, fused, tmp_path):
    folder = save(tmp_path, make_moe().bfloat16())
    names = [name for name in load_file(folder / "model.safetensors") if widened in name]
    apart = load_model(str(rewrite(folder, widen(*names))), device="cpu").stored_apart
    assert apart.get("model.layers.0.mlp.experts.gate_up_proj") == fused


def test_a_dtype_that_would_round_some_of_the_files_is_told(tmp_path, caplog):
    folder = str(rewrite(save(tmp_path, make_llama().bfloat16()), widen(NORM)))
    load_model(folder, device="cpu")
    assert not caplog.text
    load_model(folder, device="cpu", dtype="bfloat16")
    assert f"stores 1 of its tensors in torch.float32, the first is {NORM}; they are rounded to" in caplog.text


def untie(folder, head):
    return rewrite(
        folder, lambda tensors: tensors.update({"lm_head.weight": head(tensors["model.embed_tokens.weight"])})
    )


def test_embeddings_and_head_that_differ_are_two_whatever_the_config_says_and_that_is_told(tmp_path, caplog):
    loaded = load_model(str(untie(save(tmp_path, make_llama()), lambda table: table + 1)), device="cpu")
    assert loaded.model.config.tie_word_embeddings is False
    assert "says that embeddings and head are tied, but its files hold two that differ" in caplog.text


@pytest.mark.parametrize("change", [None, torch.clone], ids=["one in the files", "two that are equal"])
def test_a_model_that_is_tied_by_config_and_files_stays_tied(change, tmp_path, caplog):
    folder = save(tmp_path, make_llama())
    model = load_model(str(untie(folder, change) if change else folder), device="cpu").model
    assert model.config.tie_word_embeddings is True
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    assert not caplog.text
