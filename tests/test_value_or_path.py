"""Wherever scores, a mask or a patch is taken, the path of its file is taken too."""

import pytest
import torch

import holdfast
from holdfast.artifacts import save_mask, save_patch, save_scores
from holdfast.select import (
    BottomOptions,
    RandomOptions,
    SetDifferenceOptions,
    ThresholdOptions,
    select_bottom,
    select_random,
    select_safety_only,
    select_threshold,
    select_top,
)
from holdfast.value_or_path import as_mask, as_patch, as_scores
from holdfast.values import Mask, Patch, Scores
from tests.intervene.given import bits, equal_bits, load_tiny, random_mask

BASE = "0123456789abcdef"
SCORES = Scores({"a": torch.rand(10, 20, generator=torch.Generator().manual_seed(0))}, "log-odds", BASE, 300)
UTILITY = Scores({"a": torch.rand(10, 20)}, "log-odds", BASE, 300, {"objective": "utility"})
MASK = Mask({"a": torch.arange(3)}, {"a": (10, 20)}, BASE, 300)
PATCH = Patch({"a": torch.arange(3)}, {"a": torch.ones(3)}, {"a": (10, 20)}, BASE)


@pytest.mark.parametrize(
    ("taken", "save", "value"),
    [(as_scores, save_scores, SCORES), (as_mask, save_mask, MASK), (as_patch, save_patch, PATCH)],
)
def test_a_value_stays_and_a_path_is_loaded_and_anything_else_is_named(taken, save, value, tmp_path):
    save(tmp_path / "file", value)
    assert taken(value) is value
    assert taken(tmp_path / "file") == taken(str(tmp_path / "file")) == value
    for other in (None, 3, [value]):
        with pytest.raises(
            ValueError,
            match=rf"expected, got {type(other).__name__}; give .*{type(value).__name__}( such as .*)?, or th",
        ):
            taken(other)


SELECTIONS = [
    (select_top, 0.1),
    (select_bottom, BottomOptions(fraction=0.1)),
    (select_random, RandomOptions(fraction=0.1)),
    (select_threshold, ThresholdOptions(threshold=0.5)),
]


@pytest.mark.parametrize(("select", "options"), SELECTIONS)
def test_every_selector_takes_the_path_of_scores(select, options, tmp_path):
    save_scores(tmp_path / "scores", SCORES)
    assert select(tmp_path / "scores", options) == select(SCORES, options)


def test_selectors_take_the_paths_of_utility_scores_and_of_a_mask_to_match(tmp_path):
    save_scores(tmp_path / "scores", SCORES)
    save_scores(tmp_path / "utility", UTILITY)
    save_mask(tmp_path / "mask", MASK)
    options = SetDifferenceOptions(fraction=0.1)
    by_path = select_safety_only(tmp_path / "scores", str(tmp_path / "utility"), options)
    assert by_path == select_safety_only(SCORES, UTILITY, options)
    assert select_random(tmp_path / "scores", like=tmp_path / "mask") == select_random(SCORES, like=MASK)


def test_a_patch_is_applied_and_reverted_by_its_path_and_swapped_arguments_are_named(tmp_path):
    model = load_tiny(torch.float32).model
    mask, start = random_mask(model), bits(model)
    old = {name: model.get_parameter(name).detach().flatten()[index] for name, index in mask.indices.items()}
    new = {name: values + 1 for name, values in old.items()}
    shapes = {name: mask.shapes[name] for name in mask.indices}
    patch = Patch(mask.indices, new, shapes, mask.base, old)
    save_patch(tmp_path / "patch", patch)
    holdfast.apply_patch(model, tmp_path / "patch")
    assert all(
        torch.equal(model.get_parameter(name).flatten()[index], new[name]) for name, index in mask.indices.items()
    )
    holdfast.revert_patch(model, str(tmp_path / "patch"))
    assert equal_bits(bits(model), start)
    for function in (holdfast.apply_patch, holdfast.revert_patch):
        with pytest.raises(
            ValueError, match=f"{function.__name__} takes a model and a patch, in this order; got Patch, Ll"
        ):
            function(patch, model)  # pyright: ignore[reportArgumentType]
