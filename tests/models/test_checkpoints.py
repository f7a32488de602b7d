import json

import pytest
import torch
from safetensors.torch import save_file

from holdfast.models.checkpoints import INDEX, copy_checkpoint, open_checkpoint
from tests.stored import hashes, save
from tests.tiny import make_llama


@pytest.fixture
def folder(tmp_path):
    """A checkpoint in three shards."""
    made = save(tmp_path / "model", make_llama(), "15KB")
    assert len(list(made.glob("model-*-of-00003.safetensors"))) == 3
    return made


def rewrite_index(folder, change):
    index = json.loads((folder / INDEX).read_text())
    change(index["weight_map"])
    (folder / INDEX).write_text(json.dumps(index))


def refuse(folder, sentence):
    with pytest.raises(ValueError, match=sentence) as raised:
        open_checkpoint(str(folder))
    assert len(str(raised.value).splitlines()) == 1


def test_a_missing_shard_is_named(folder):
    (folder / "model-00002-of-00003.safetensors").unlink()
    refuse(folder, r"lacks the shard 'model-00002-of-00003.safetensors'")


def test_a_tensor_that_only_the_index_has_is_named(folder):
    rewrite_index(folder, lambda listed: listed.update({"model.ghost": "model-00001-of-00003.safetensors"}))
    refuse(folder, r"names 'model.ghost' in 'model-00001-of-00003.safetensors', which does not hold it")


def test_a_tensor_in_another_shard_than_the_index_says_is_named(folder):
    rewrite_index(folder, lambda listed: listed.update({"model.norm.weight": "model-00001-of-00003.safetensors"}))
    refuse(folder, r"names 'model.norm.weight'")


@pytest.mark.parametrize("shard", ["../model.safetensors", "/etc/passwd", "weights.bin", 3])
def test_an_index_that_points_out_of_the_folder_or_to_a_pickle_is_refused(folder, shard):
    rewrite_index(folder, lambda listed: listed.update({"model.norm.weight": shard}))
    refuse(folder, "names files that are no safetensors files of its own folder")


def test_a_shard_that_is_cut_off_is_named(folder):
    shard = folder / "model-00002-of-00003.safetensors"
    shard.write_bytes(shard.read_bytes()[:-1])
    refuse(folder, r"model-00002-of-00003.safetensors' is no whole safetensors file")


def test_pickles_alone_are_refused(folder):
    for shard in folder.glob("*.safetensors"):
        shard.rename(shard.with_suffix(".bin"))
    refuse(folder, "pickled weights are not loaded")


def test_an_unknown_hub_id_without_network_is_one_sentence():
    refuse("nobody/nothing-here", r"hub could not be reached|was not found")


def test_a_copy_has_every_file_but_other_weights_and_hidden_ones(folder, tmp_path):
    kept = {file.name for file in folder.iterdir()} | {"templates"}
    (folder / "templates").mkdir()
    (folder / "templates" / "tool.jinja").write_text("x")
    save_file({"stale": torch.ones(1)}, folder / "consolidated.safetensors")
    for name in ("pytorch_model.bin", "model.gguf", ".cache"):
        (folder / name).write_text("stale")
    copy_checkpoint(open_checkpoint(str(folder)), tmp_path / "copy")
    assert {file.name for file in (tmp_path / "copy").iterdir()} == kept
    assert (tmp_path / "copy/templates/tool.jinja").read_text() == "x"
    assert hashes(tmp_path / "copy").items() <= hashes(folder).items()
