"""What is saved of a tuned model says what is true of its files, and is as large as what it came from."""

import json

import pytest
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from holdfast.artifacts import save_mask
from holdfast.intervene.options import AdaptOptions, EnhanceOptions, LoraOptions
from holdfast.models.load import load_model
from holdfast.pipeline.options import EnhanceFiles
from holdfast.pipeline.patching import apply_to_folder, revert_to_folder
from holdfast.pipeline.saving import save_checkpoint
from holdfast.pipeline.tuning import adapt_model, enhance_model
from tests.intervene.given import bits, equal_bits, random_mask
from tests.models.test_storage import NORM, rewrite, say, untie, widen
from tests.stored import hashes, save
from tests.tiny import make_llama

Q_PROJ = "model.layers.0.self_attn.q_proj.weight"
STEPS = {"iterations": 2, "batch_size": 2, "learning_rate": 1e-2}
CASES = {
    "no dtype in the config": lambda folder: say(folder, dtype=None),
    "another dtype in the config": lambda folder: say(folder, dtype="float32"),
    "a norm in float32": lambda folder: str(rewrite(folder, widen(NORM))),
    "a masked matrix in float32": lambda folder: str(rewrite(folder, widen(Q_PROJ))),
    "embeddings and most entries in float32": lambda folder: str(rewrite(folder, widen("model.embed_tokens.weight"))),
    "a head of its own": lambda folder: str(untie(folder, lambda table: table + 1)),
}


@pytest.fixture
def task(tmp_path):
    (tmp_path / "task.jsonl").write_text('{"prompt": "how do i mend it ?", "response": "sorry , no"}\n')
    return str(tmp_path / "task.jsonl")


def kinds(folder):
    """Name, dtype and shape of every stored tensor."""
    with safe_open(folder / "model.safetensors", "pt") as file:
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
        return {name: (one.get_dtype(), one.get_shape()) for name, one in slices.items()}


def says(folder):
    return json.loads((folder / "config.json").read_text())


@pytest.mark.parametrize("case", CASES)
def test_a_saved_checkpoint_has_the_tensors_of_its_base_and_a_config_that_is_true(case, tmp_path):
    folder = save(tmp_path / "base", make_llama().bfloat16())
    loaded = load_model(CASES[case](folder), device="cpu")
    save_checkpoint(tmp_path / "saved", loaded)
    assert kinds(tmp_path / "saved") == kinds(folder)
    stored, written = load_file(folder / "model.safetensors"), load_file(tmp_path / "saved" / "model.safetensors")
    assert all(torch.equal(stored[name], written[name]) for name in stored)
    assert says(tmp_path / "saved")["dtype"] == str(loaded.storage_dtype).removeprefix("torch.")
    assert says(tmp_path / "saved")["tie_word_embeddings"] is ("lm_head.weight" not in stored)
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "saved", dtype=torch.float32)
    assert equal_bits(bits(again), bits(loaded.model))


@pytest.mark.parametrize("case", CASES)
def test_a_patch_applies_to_the_very_base_that_made_it_and_comes_off(case, tmp_path, task):
    folder = save(tmp_path / "base", make_llama().bfloat16())
    name = CASES[case](folder)
    save_mask(tmp_path / "mask", random_mask(load_model(name, device="cpu").model))
    harmless = tmp_path / "harmless.jsonl"
    harmless.write_text('{"prompt": "how do i paint it ?", "response": "sorry"}\n')
    files = EnhanceFiles(refusals=task, harmless=str(harmless))
    enhance_model(name, tmp_path / "mask", files, tmp_path / "out", options=EnhanceOptions(**STEPS))
    apply_to_folder(name, tmp_path / "out" / "patch.safetensors", tmp_path / "applied")
    tuned, applied = (load_file(tmp_path / one / "model.safetensors") for one in ("out/model", "applied"))
    assert tuned.keys() == applied.keys()
    assert all(torch.equal(tuned[key].view(torch.uint8), applied[key].view(torch.uint8)) for key in tuned)
    revert_to_folder(str(tmp_path / "out/model"), tmp_path / "out" / "patch.safetensors", tmp_path / "reverted")
    assert {key: torch.equal(value, load_file(folder / "model.safetensors")[key]) for key, value in load_file(
        tmp_path / "reverted" / "model.safetensors"
    ).items()} == dict.fromkeys(tuned, True)  # fmt: skip
    assert hashes(folder) != hashes(tmp_path / "applied")


@pytest.mark.parametrize("lora", [None, LoraOptions(rank=2)], ids=["all weights", "lora"])
def test_an_adapted_model_keeps_the_dtypes_and_the_head_of_its_base(lora, tmp_path, task):
    folder = save(tmp_path / "base", make_llama().bfloat16())
    untie(rewrite(folder, widen(NORM)), lambda table: table + 1)
    options = AdaptOptions(**STEPS, lora=lora)
    adapt_model(say(folder, dtype="float32"), None, task, tmp_path / "out", options=options)
    assert kinds(tmp_path / "out/model") == kinds(folder)
    assert (says(tmp_path / "out/model")["dtype"], says(tmp_path / "out/model")["tie_word_embeddings"]) == (
        "bfloat16",
        False,
    )


def test_saving_leaves_the_model_as_it_is_with_its_tables_of_positions(tmp_path):
    loaded = load_model(str(save(tmp_path / "base", make_llama().bfloat16())), device="cpu")
    loaded.model.model.rotary_emb.inv_freq.mul_(1 + 2**-12)  # of no bfloat16
    before = {
        name: tensor.clone() for name, tensor in [*loaded.model.named_buffers(), *loaded.model.named_parameters()]
    }
    save_checkpoint(tmp_path / "saved", loaded)
    after = dict([*loaded.model.named_buffers(), *loaded.model.named_parameters()])
    assert {name: (tensor.dtype, torch.equal(tensor, before[name])) for name, tensor in after.items()} == {
        name: (tensor.dtype, True) for name, tensor in before.items()
    }


def test_a_full_disk_is_one_sentence(tmp_path, monkeypatch):
    loaded = load_model(str(save(tmp_path / "base", make_llama())))

    def fails(*_, **__):
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(type(loaded.model), "save_pretrained", fails)
    with pytest.raises(ValueError, match=r"could not be written: I/O error: No space left .*; make room, or choose"):
        save_checkpoint(tmp_path / "tuned", loaded)
