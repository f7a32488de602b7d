"""Safetensors files that are written a run of entries at a time."""

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from holdfast.tensor_files import create, replace_metadata

PLACES = {"b": (torch.float32, (3, 5)), "a": (torch.int64, (2,)), "none": (torch.bfloat16, (0, 4))}


def test_a_created_file_is_read_by_the_library_with_what_was_written_in_runs(tmp_path: Path) -> None:
    values = torch.arange(15, dtype=torch.float32)
    stored = create(tmp_path / "made.safetensors", PLACES, {"who": "us"})
    for start, stop in ((7, 15), (0, 7)):
        stored["b"].write(start, values[start:stop])
    stored["a"].write(1, torch.tensor([2**40]))
    read = load_file(tmp_path / "made.safetensors")
    assert torch.equal(read["b"], values.view(3, 5))
    assert read["a"].tolist() == [0, 2**40]
    assert read["none"].shape == (0, 4)
    assert stored["none"].read(0, 0).dtype == torch.bfloat16
    with safe_open(tmp_path / "made.safetensors", "pt") as file:
        assert file.metadata() == {"who": "us"}


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "made.safetensors").write_text("mine")
    with pytest.raises(FileExistsError):
        create(tmp_path / "made.safetensors", PLACES, {})
    assert (tmp_path / "made.safetensors").read_text() == "mine"


def test_metadata_is_replaced_in_place_and_the_tensors_stay(tmp_path: Path) -> None:
    path = tmp_path / "made.safetensors"
    create(path, PLACES, {"who": "us, as far as is known"})["b"].write(0, torch.ones(15))
    size = path.stat().st_size
    replace_metadata(path, {"who": "them", "a": "b"})
    assert path.stat().st_size == size
    assert torch.equal(load_file(path)["b"], torch.ones(3, 5))
    with safe_open(path, "pt") as file:
        assert file.metadata() == {"who": "them", "a": "b"}
