import json
import logging
import re
import socket
import time

import pytest
import torch
import transformers
from safetensors import safe_open

from holdfast.built_in import model_path
from holdfast.models import load
from holdfast.models.load import architectures, fingerprint, load_model, quiet_transformers


@pytest.fixture
def folder(tmp_path, llama, tokenizer):
    llama.to(torch.float16).save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_half_precision_is_widened_exactly_on_a_cpu(folder, llama):
    loaded = load_model(str(folder), device="cpu")
    assert loaded.storage_dtype == torch.float16
    assert loaded.model.dtype == torch.float32
    assert loaded.base == fingerprint(llama)


def test_the_fingerprint_changes_with_one_entry(llama):
    before = fingerprint(llama)
    with torch.no_grad():
        next(llama.parameters())[0, 0] += 1
    assert fingerprint(llama) != before


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"does not exist; check the path\. A hub id has the form OWNER/NAME"):
        load_model(str(tmp_path / "none"))


def test_pickled_weights_are_not_loaded(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ValueError, match="pickled weights are not loaded"):
        load_model(str(folder))


def test_a_broken_file_is_one_sentence(folder):
    (folder / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(ValueError, match="could not be read"):
        load_model(str(folder))


def test_missing_weights_are_refused(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    with pytest.raises(ValueError, match="lacks 9 weights"):
        load_model(str(folder))


@pytest.mark.parametrize("layers", [1, 0, -1])
def test_weights_that_the_config_does_not_ask_for_are_refused(layers, folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": layers, "layer_types": None}))
    with pytest.raises(ValueError, match=rf"has {9 * (2 - max(layers, 0))} weights that its config.json does not ask"):
        load_model(str(folder))


def test_weights_that_the_architecture_is_known_to_leave_out_are_not_refused(folder, llama):
    weights = llama.state_dict() | {"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(4)}
    llama.save_pretrained(folder, state_dict=weights)
    with safe_open(folder / "model.safetensors", "pt") as file:
        assert any("inv_freq" in name for name in file.keys())  # noqa: SIM118
    assert load_model(str(folder)).base == fingerprint(llama)


def test_an_unknown_hub_id_without_network_is_one_sentence():
    with pytest.raises(ValueError, match=r"hub could not be reached|was not found"):
        load_model("nobody/nothing-here")


def test_a_hub_whose_address_is_not_known_is_not_tried_for_half_a_minute(monkeypatch):
    def no_address(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_address)
    monkeypatch.setattr("holdfast.reachable.getproxies", dict)
    monkeypatch.setattr("holdfast.models.locate.is_offline_mode", lambda: False)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "https://hub.nowhere")
    begun = time.monotonic()
    with pytest.raises(ValueError, match=r"reached: the address of hub.nowhere is not known\. Give a local folder, or"):
        load_model("nobody/nothing-here")
    assert time.monotonic() - begun < 10, "the library's own retries take more than 20 s"


@pytest.mark.parametrize("wrong", [{"hidden_size": "big"}, {"num_attention_heads": 0}, {"vocab_size": -1}])
def test_a_wrong_config_is_one_sentence(folder, wrong):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | wrong))
    for read in (load_model, architectures) if "hidden_size" in wrong else (load_model,):
        with pytest.raises(ValueError, match=r"model folder .* could not be read: [^\n]+$"):
            read(str(folder))


def test_a_model_without_a_tokenizer_is_one_sentence(folder):
    for path in [*folder.glob("tokenizer*"), *folder.glob("special_tokens*")]:
        path.unlink()
    with pytest.raises(ValueError, match="has no tokenizer that can be read; save one beside it") as refused:
        load_model(str(folder))
    command = re.search(r"`(AutoTokenizer.*)`", str(refused.value))[1]  # the advice, followed with this base model
    exec(command.replace("BASE", str(model_path("aligned"))).replace("FOLDER", str(folder)), vars(transformers))
    assert load_model(str(folder)).tokenizer is not None


def test_code_that_a_model_brings_is_not_run(folder):
    config = json.loads((folder / "config.json").read_text())
    own = {"model_type": "own", "auto_map": {"AutoConfig": "own.Own", "AutoModelForCausalLM": "own.OwnModel"}}
    (folder / "config.json").write_text(json.dumps(config | own))
    (folder / "own.py").write_text("open('ran', 'w')")
    with pytest.raises(
        ValueError, match="contains code of its own, which holdfast does not run; choose a model whose architecture"
    ):
        load_model(str(folder))


def test_the_first_weight_of_another_shape_is_named(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"intermediate_size": 48}))
    with pytest.raises(
        ValueError, match=r"layers.0.mlp.down_proj.weight is \[16, 32\] .* and \[16, 48\] in the config"
    ):
        load_model(str(folder))


def test_an_id_without_a_slash_is_looked_for_on_the_hub_and_told_first_as_a_path():
    told = r"^there is no folder 'gpt2-of-nobody'; check the path\. A hub id has the form OWNER/NAME, such as .*\. "
    with pytest.raises(ValueError, match=told + "The hub (could not be reached|has no model of that name)"):
        load_model("gpt2-of-nobody")


def test_the_hubs_retries_are_not_told_and_its_logging_is_given_back():
    logger = logging.getLogger("huggingface_hub.utils._http")
    before = logger.getEffectiveLevel()
    with quiet_transformers():
        assert logger.getEffectiveLevel() >= logging.ERROR
    assert logger.getEffectiveLevel() == before


def test_shards_need_several_places():
    with pytest.raises(ValueError, match="shard spreads a model over several processes or accelerators, but there is"):
        load_model("testbed:aligned", sharded=True)


def test_one_process_lays_layers_out_over_its_accelerators(monkeypatch):
    asked = {}
    read = load._read
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 2)
    monkeypatch.setattr(load, "_read", lambda *given, **how: asked.update(how) or read(*given))
    load_model("testbed:aligned", sharded=True)
    assert asked["device_map"] == "auto"


def test_loading_tells_when_it_begins_and_how_many_parameters_are_hashed():
    told = []
    load_model("testbed:aligned", progress=lambda *step: told.append(step))
    loading, fingerprint = (f"{what} testbed:aligned" for what in ("loading", "fingerprint of"))
    assert told[:2] == [(loading, 0, 1), (loading, 1, 1)]
    assert told[2][0] == fingerprint
    assert told[-1][1] == told[-1][2] == len(told) - 2
