"""What stands at a place that holds no model is said, with what to give instead."""

import json

import pytest
from safetensors.torch import load_file, save_file

from holdfast.adapter_folder import MASK_FILE
from holdfast.models.load import load_model
from holdfast.models.locate import no_folder, resolve
from holdfast.models.stored import open_stored
from holdfast.pipeline.checking import check_hold
from tests.intervene.given import random_mask
from tests.stored import save
from tests.tiny import make_llama


def with_file(folder, name):
    folder.mkdir()
    (folder / name).write_text("{}")
    return folder


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("adapter_config.json", "holds an adapter of PEFT and no model; merge it into its base"),
        ("model.gguf", r"holds a GGUF file; give the folder of a Hugging Face model.*gguf_file"),
        ("model.safetensors", "has no config.json"),
    ],
)
def test_a_folder_without_a_config_is_called_what_it_is(name, told, tmp_path):
    with pytest.raises(ValueError, match=told):
        load_model(str(with_file(tmp_path / "model", name)))


def test_a_held_adapter_is_to_be_merged_by_what_keeps_the_hold_alone(tmp_path):
    folder = with_file(tmp_path / "adapter", "adapter_config.json")
    (folder / MASK_FILE).touch()
    with pytest.raises(ValueError, match=r"load_protected\(base, folder\).*merge_protected\(model\)") as told:
        load_model(str(folder))
    assert "merge_and_unload" not in str(told.value)


def test_a_folder_whose_checkpoint_lies_in_model_is_asked_about_that_one(tmp_path):
    save(tmp_path / "tuned" / "model", make_llama())
    for load in (load_model, open_stored):
        with pytest.raises(ValueError, match=r"tuned' has no config.json, and .* has one; give '.*tuned/model'\."):
            load(str(tmp_path / "tuned"))


def test_a_file_is_no_model(tmp_path):
    file = tmp_path / "model.bin"
    file.touch()
    with pytest.raises(ValueError, match="is a file; give the folder of a Hugging Face model"):
        load_model(str(file))


def test_a_quantized_checkpoint_that_cannot_be_read_is_not_said_to_be_broken(tmp_path):
    folder = save(tmp_path / "model", make_llama())
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "gptq", "bits": 4, "group_size": 128}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"is quantized and could not be read: .*Install what is missing") as told:
        load_model(str(folder))
    assert "download it again" not in str(told.value)


@pytest.mark.parametrize(("prefix", "told"), [("_orig_mod.", "torch.compile"), ("module.", "DataParallel")])
def test_a_checkpoint_of_a_wrapped_model_is_not_said_to_be_incomplete(prefix, told, tmp_path):
    folder = save(tmp_path / "model", make_llama())
    weights = {prefix + name: tensor for name, tensor in load_file(folder / "model.safetensors").items()}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match=rf"was saved inside of {told}.*names begin with '{prefix}'"):
        load_model(str(folder))


@pytest.mark.parametrize("file", ["config.json", "adapter_config.json"])
def test_a_folder_that_a_trainer_left_without_save_model_is_told_its_last_checkpoint(file, tmp_path):
    for number in (20, 100, 9):
        with_file(tmp_path / f"checkpoint-{number}", file)
    (tmp_path / "checkpoint-200").mkdir()  # a save that was interrupted
    last = tmp_path / "checkpoint-100"
    sets_right = f"give {str(last)!r}, or save the trained model in the folder with `trainer.save_model`."
    mask = random_mask(make_llama())
    for look in (load_model, lambda folder: check_hold(folder, "testbed:aligned", mask)):
        with pytest.raises(ValueError, match="last checkpoint that a trainer saved in it is checkpoint-100") as told:
            look(str(tmp_path))
        assert str(told.value).endswith(sets_right)


def test_a_gguf_file_is_told_how_to_become_a_folder(tmp_path):
    (tmp_path / "model-q8.gguf").write_bytes(b"GGUF")
    with pytest.raises(ValueError, match=r"is a GGUF file.*; convert it with transformers .*gguf_file='model-q8.gguf'"):
        resolve(str(tmp_path / "model-q8.gguf"))


def test_a_folder_that_is_not_there_is_said_first_with_one_of_a_similar_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tuned-by-trl" / "model").mkdir(parents=True)
    meant = "there is no folder 'tuned-by-tlr' (did you mean 'tuned-by-trl'?)"
    assert no_folder("tuned-by-tlr", "tuned-by-tlr") == meant
    assert no_folder("tuned-by-tlr/model", "tuned-by-tlr/model").endswith("(did you mean 'tuned-by-trl/model'?)")
    assert no_folder("tuned-by-trl/modle", "tuned-by-trl/modle").endswith("(did you mean 'tuned-by-trl/model'?)")
    assert no_folder("org/name", "org/name") == "there is no folder 'org/name'"
