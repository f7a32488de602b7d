"""Stability in Python: from the path of scores with their halves, or from two scores."""

from dataclasses import replace

import pytest
import torch

from holdfast import save_mask, save_scores, select_top, stability
from holdfast.select import stability as agreement
from holdfast.values import Scores

SCORES = Scores({"a": torch.rand(20, 10, generator=torch.Generator().manual_seed(0))}, "unit", "base", 300)
OTHER = replace(SCORES, entries={"a": torch.rand(20, 10, generator=torch.Generator().manual_seed(1))})


def test_the_path_of_scores_leads_to_their_halves(tmp_path):
    path = tmp_path / "scores.safetensors"
    for name, scores in {"scores": SCORES, "scores_first_half": SCORES, "scores_second_half": OTHER}.items():
        save_scores(tmp_path / f"{name}.safetensors", scores)
    assert stability(path, fraction=0.1) == agreement.stability(SCORES, OTHER, 0.1)
    assert stability(str(path), OTHER, fraction=0.1) == agreement.stability(SCORES, OTHER, 0.1)


def test_it_prints_as_one_line():
    shown = repr(stability(SCORES, OTHER, fraction=0.1))
    assert shown.startswith("<Stability: IoU 0.")
    assert "random 0.0526, with as many in every tensor 0.0526, rank correlation" in shown


def test_scores_without_halves_are_refused_with_what_to_give(tmp_path):
    with pytest.raises(ValueError, match="scores in memory have no halves, which lie in files beside theirs; give"):
        stability(SCORES)
    save_scores(tmp_path / "scores.safetensors", SCORES)
    with pytest.raises(ValueError, match=r"are missing: there is no file .*scores_first_half.safetensors"):
        stability(tmp_path / "scores.safetensors")


def test_a_mask_in_place_of_scores_is_called_a_mask(tmp_path):
    save_mask(tmp_path / "mask.safetensors", select_top(SCORES, 0.1))
    with pytest.raises(
        ValueError, match=r"mask.safetensors' is a mask, not scores; give the file that it was cut from"
    ):
        stability(tmp_path / "mask.safetensors")
