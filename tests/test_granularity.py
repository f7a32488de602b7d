"""Files of neurons say so in their header, files of weights are as they were, and units are not mixed."""

import pytest
import torch

from holdfast.artifacts import load_mask, load_scores, save_mask, save_scores
from holdfast.granularity import UNITS
from holdfast.tensor_files import read_header, replace_metadata
from holdfast.values import Mask, Scores

NAME = "layers.0.down_proj@input"


def mask(granularity="neuron", chosen=(1,)) -> Mask:
    return Mask({NAME: torch.tensor(chosen)}, {NAME: (4,)}, "base", 4, {}, granularity)


@pytest.mark.parametrize("granularity", UNITS)
def test_units_survive_saving_and_loading(granularity, tmp_path):
    save_mask(tmp_path / "mask.safetensors", mask(granularity))
    assert load_mask(tmp_path / "mask.safetensors") == mask(granularity)
    scores = Scores({NAME: torch.ones(4)}, "nats", "base", 4, {}, granularity)
    save_scores(tmp_path / "scores.safetensors", scores)
    assert load_scores(tmp_path / "scores.safetensors") == scores
    header = read_header(tmp_path / "mask.safetensors")[1]["header"]
    assert ("granularity" in header) == (granularity != "weight")


def test_masks_of_two_units_do_not_mix():
    with pytest.raises(ValueError, match="are of different units: neurons and weights; give files of one unit"):
        mask() & mask("weight")
    assert not mask().equals(mask("weight"))
    assert mask() != mask("weight")


def test_algebra_keeps_the_units():
    other = mask(chosen=(2, 3))
    for result in (mask() | other, mask() & other, other - mask(), ~mask()):
        assert result.granularity == "neuron"
    assert repr(mask()).startswith("<Mask: 1 of 4 neurons")


def test_units_of_a_later_version_are_refused(tmp_path):
    path = tmp_path / "mask.safetensors"
    save_mask(path, mask())
    metadata = read_header(path)[1]
    replace_metadata(path, {**metadata, "header": metadata["header"].replace('"neuron"', '"latent"')})
    with pytest.raises(
        ValueError, match="holds 'latent', which this version of holdfast does not know; it knows weight"
    ):
        load_mask(path)
