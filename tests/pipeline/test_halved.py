"""A selection is made again from two halves of the prompts, and their overlap equals that of masks made by hand."""

import pytest

from holdfast.artifacts import load_scores
from holdfast.cli import call
from holdfast.pipeline import halved
from holdfast.pipeline.halved import halves_overlap
from holdfast.select import SetDifferenceOptions, TopOptions
from holdfast.select.overlap import overlap
from holdfast.select.set_difference import select_safety_only
from holdfast.select.top import select_top


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Scores and utility scores of a built-in model, each with halves beside them."""
    folder = tmp_path_factory.mktemp("halved")
    given = {
        "scores": ("refusal_likelihood", "testbed:refusals#first=8"),
        "utility": ("utility", "testbed:questions#first=8"),
    }
    for name, (objective, prompts) in given.items():
        words = ["score", "testbed:aligned", "--objective", objective, "--prompts", prompts, "-q"]
        assert call([*words, "--out", str(folder / f"{name}.safetensors")]) == 0
    return folder


def half(folder, name, which):
    return load_scores(folder / f"{name}_{which}_half.safetensors")


def test_the_top_of_both_halves_is_compared(folder):
    found = halves_overlap(folder / "scores.safetensors", "top", {"fraction": 0.001})
    masks = [select_top(half(folder, "scores", which), TopOptions(fraction=0.001)) for which in ("first", "second")]
    assert found == overlap(*masks)


def test_safety_only_weights_take_a_half_of_each_of_both_scores(folder, tmp_path):
    found = halves_overlap(folder / "scores.safetensors", "safety_only", {}, folder / "utility.safetensors")
    masks = [
        select_safety_only(half(folder, "scores", which), half(folder, "utility", which), SetDifferenceOptions())
        for which in ("first", "second")
    ]
    assert found == overlap(*masks)
    alone = tmp_path / "utility.safetensors"
    alone.write_bytes((folder / "utility.safetensors").read_bytes())
    whole = load_scores(alone)
    masks = [
        select_safety_only(half(folder, "scores", which), whole, SetDifferenceOptions())
        for which in ("first", "second")
    ]
    assert halves_overlap(folder / "scores.safetensors", "safety_only", {}, alone) == overlap(*masks)


def test_random_weights_scores_without_halves_and_large_files_have_none(folder, tmp_path, monkeypatch):
    alone = tmp_path / "scores.safetensors"
    alone.write_bytes((folder / "scores.safetensors").read_bytes())
    assert halves_overlap(alone, "top", {}) is None
    assert halves_overlap(folder / "scores.safetensors", "random", {}) is None
    monkeypatch.setattr(halved, "LARGEST", 10)
    assert halves_overlap(folder / "scores.safetensors", "top", {}) is None


def test_select_prints_the_overlap(folder, tmp_path, capsys):
    words = ["select", str(folder / "scores.safetensors"), "--out", str(tmp_path / "mask.safetensors")]
    assert call(words) == 0
    found = halves_overlap(folder / "scores.safetensors", "top", {})
    assert f"Selected from two halves of the prompts: IoU {found.iou:.3f} [" in capsys.readouterr().out
