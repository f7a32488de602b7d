"""Where two masks agree, by layer and component."""

import pytest
import torch

from holdfast import overlap_table
from holdfast.select.overlap_table import overlap_by_component
from holdfast.values import Mask


def test_two_masks_overlap_by_layer_and_component():
    shapes = {f"layers.{layer}.{name}.weight": (4,) for layer in (0, 1) for name in ("a", "b")}

    def mask(**chosen):
        indices = {f"layers.{name[1]}.{name[0]}.weight": torch.tensor(index) for name, index in chosen.items()}
        return Mask(indices, shapes, "base", 16)

    first, second = mask(a0=[0, 1], b1=[0]), mask(a0=[1, 2], a1=[3])
    # Of 4 entries each with density 1/2, random masks share 1/4 of all and cover 3/4; a part with none shares nothing.
    assert overlap_by_component(first, second) == [
        (0, "a", 2, 2, 1, 1 / 3, pytest.approx(1 / 3)),
        (1, "a", 0, 1, 0, 0.0, 0.0),
        (1, "b", 1, 0, 0, 0.0, 0.0),
    ]
    rows = overlap_table(first, second)
    assert list(rows[0].items())[:5] == [
        ("layer", 0), ("component", "a"), ("num_first", 2), ("num_second", 2), ("num_both", 1),
    ]  # fmt: skip


def test_masks_of_different_models_have_no_table():
    one, other = (Mask({"a": torch.tensor([0])}, {"a": (4,)}, base, 4) for base in ("one", "other"))
    with pytest.raises(ValueError, match="the first mask and the second"):
        overlap_table(one, other)
