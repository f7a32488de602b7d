"""Files of artifacts: equal values make equal files, and a write that fails leaves nothing."""

import pytest
import torch
from safetensors import SafetensorError

from holdfast.artifacts import load_mask, save_mask
from holdfast.values import Mask


def test_equal_values_make_equal_files(tmp_path):
    made_by = {"prompts": 'naïve "café" 東京 \n'}
    mask = Mask({"a": torch.tensor([1, 3])}, {"a": (2, 2)}, "base", 4, made_by)
    for number in range(8):  # two orders of the metadata: eight files are alike by chance once in 128 times
        save_mask(tmp_path / f"{number}.safetensors", mask)
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1
    assert load_mask(tmp_path / "0.safetensors").made_by == made_by


def test_a_disk_that_is_full_is_one_sentence_and_leaves_nothing(tmp_path, monkeypatch):
    def full(tensors, path, metadata):
        path.write_bytes(b"half")
        raise SafetensorError("Error while serializing: No space left on device")

    monkeypatch.setattr("holdfast.artifact_files.save_file", full)
    mask = Mask({"a": torch.tensor([1])}, {"a": (2, 2)}, "base", 4)
    with pytest.raises(ValueError, match=r"could not be written: .*No space left on device; choose another place"):
        save_mask(tmp_path / "mask.safetensors", mask)
    assert list(tmp_path.iterdir()) == []
