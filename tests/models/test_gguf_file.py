"""GGUF files: every weight is the number that its block stands for, and what can't be read is told in one sentence."""

import numpy
import pytest
import torch

from holdfast.models.gguf_file import gguf_entry, is_gguf, load_checkpoint, load_gguf, require_gguf
from tests.tiny_gguf import TEMPLATE, tiny_gguf

gguf = pytest.importorskip("gguf", reason="the extra gguf is not installed")


def dequantised(matrix):
    """Q8_0 by hand: a block of 32 entries is a scale in float16 times whole numbers from -127 to 127."""
    blocks = matrix.reshape(-1, 32).astype("float32")
    scale = numpy.abs(blocks).max(axis=1, keepdims=True) / 127
    whole = numpy.round(blocks / scale)
    return (whole * scale.astype("float16").astype("float32")).reshape(matrix.shape)


def test_a_plain_file_has_the_weights_that_were_written(tmp_path):
    written = tiny_gguf(tmp_path / "plain.gguf")
    loaded = load_checkpoint(str(tmp_path / "plain.gguf"))
    down = loaded.model.get_parameter("model.layers.1.mlp.down_proj.weight")
    assert torch.equal(down.cpu(), torch.from_numpy(written["blk.1.ffn_down.weight"]))
    assert (loaded.storage_dtype, loaded.tokenizer.chat_template) == (torch.float32, TEMPLATE)


def test_a_quantised_file_has_the_numbers_that_its_blocks_stand_for(tmp_path):
    written = tiny_gguf(tmp_path / "q8.gguf", width=32, quantised="Q8_0")
    loaded = load_gguf(str(tmp_path / "q8.gguf"))
    matrix = written["blk.0.ffn_gate.weight"]
    gate = loaded.model.get_parameter("model.layers.0.mlp.gate_proj.weight").detach().cpu().numpy()
    assert numpy.array_equal(gate, dequantised(matrix))
    assert 0 < numpy.abs(gate - matrix).max() < numpy.abs(matrix).max() / 127


def test_the_entry_names_the_file_its_quantisation_and_who_dequantised_it(tmp_path):
    tiny_gguf(tmp_path / "q8.gguf", width=32, quantised="Q8_0", file_type=7)
    entry = gguf_entry(str(tmp_path / "q8.gguf#unused=1"))
    assert entry["quantisation"] == "Q8_0"
    assert entry["dequantised"].startswith("to float32 by transformers 5.")
    assert len(entry["sha256"]) == 64
    tiny_gguf(tmp_path / "untold.gguf")
    assert gguf_entry(str(tmp_path / "untold.gguf"))["quantisation"] == "not recorded"


def test_a_name_is_of_a_gguf_file_by_its_ending():
    assert is_gguf("folder/model.gguf")
    assert is_gguf("model.gguf#enable_thinking=false")
    assert not is_gguf("owner/model-gguf")


def test_an_architecture_that_transformers_cannot_read_is_named(tmp_path):
    tiny_gguf(tmp_path / "strange.gguf", architecture="nonesuch")
    with pytest.raises(ValueError, match=r"has the architecture 'nonesuch', which transformers .* can't read; serve"):
        load_gguf(str(tmp_path / "strange.gguf"))


def test_one_part_of_several_is_refused(tmp_path):
    tiny_gguf(tmp_path / "part.gguf", uint16=("split.count", 3))
    with pytest.raises(ValueError, match=r"one of several parts .*llama-gguf-split --merge"):
        require_gguf(str(tmp_path / "part.gguf"))


def test_what_is_no_whole_file_is_told_in_one_sentence(tmp_path):
    with pytest.raises(ValueError, match=r"GGUF file .*none\.gguf' does not exist"):
        load_gguf(str(tmp_path / "none.gguf"))
    (tmp_path / "other.gguf").write_bytes(b"PK")
    with pytest.raises(ValueError, match="is no GGUF file: it does not begin with GGUF"):
        load_gguf(str(tmp_path / "other.gguf"))
    tiny_gguf(tmp_path / "whole.gguf")
    whole = (tmp_path / "whole.gguf").read_bytes()
    for name, length in {"header.gguf": 40, "tensors.gguf": len(whole) - 2000}.items():
        (tmp_path / name).write_bytes(whole[:length])
        with pytest.raises(ValueError, match=rf"{name}' could not be read by transformers .*; download or convert"):
            load_gguf(str(tmp_path / name))


def test_the_missing_package_is_named(tmp_path, monkeypatch):
    tiny_gguf(tmp_path / "plain.gguf")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"needs the package gguf; install it with pip install gguf"):
        load_gguf(str(tmp_path / "plain.gguf"))
