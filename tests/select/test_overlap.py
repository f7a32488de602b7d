"""Two masks beside random ones: the IoU, its interval over matrices, and both controls."""

import pytest
import torch

from holdfast import overlap, save_mask
from holdfast.select.algebra import random_iou, random_iou_per_tensor
from holdfast.select.jackknife import iou_interval
from holdfast.select.overlap import num_shared
from holdfast.values import Mask


def mask(**indices):
    shapes = dict.fromkeys(("a", "b", "c"), (4, 5))
    return Mask({name: torch.tensor(index) for name, index in indices.items()}, shapes, "base", 100)


FIRST, SECOND = mask(a=[0, 1, 2], b=[3], c=[7, 8]), mask(a=[1, 2, 3], b=[3], c=[9])


def test_an_overlap_has_the_iou_its_interval_and_both_controls(tmp_path):
    found = overlap(FIRST, SECOND)
    assert found.iou == 3 / 8
    assert (found.iou_low, found.iou_high) == iou_interval(FIRST, SECOND)
    assert (found.random_iou, found.random_iou_per_tensor) == (
        random_iou(FIRST, SECOND),
        random_iou_per_tensor(FIRST, SECOND),
    )
    assert (found.num_first, found.num_second, found.num_both) == (6, 5, 3)
    for name, value in {"first": FIRST, "second": SECOND}.items():
        save_mask(tmp_path / name, value)
    assert overlap(str(tmp_path / "first"), tmp_path / "second") == found


def test_an_overlap_prints_as_one_line_that_says_what_its_interval_covers():
    assert repr(overlap(FIRST, SECOND)) == (
        "<Overlap: IoU 0.375 [0.000, 1.000] over matrices, random 0.0476, with as many in every tensor 0.0577>"
    )
    single = mask(a=[0])
    assert repr(overlap(single, single)) == ("<Overlap: IoU 1.000, random 0.0084, with as many in every tensor 0.0256>")


def test_two_empty_masks_share_nothing():
    assert num_shared(mask().iou(mask()), 0, 0) == 0


def test_masks_of_other_models_are_not_compared():
    other = Mask(FIRST.indices, FIRST.shapes, "another", 100)
    with pytest.raises(ValueError, match="the first mask and the second are of different models"):
        overlap(FIRST, other)
