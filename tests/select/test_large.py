"""More entries in one tensor than 32 bits count: flat indices stay int64, from the ranking to the file and back.

The tensor is one number, expanded; only the blocks at its two ends are ranked, or it would take a minute.
"""

from collections.abc import Iterator
from unittest.mock import patch

import numpy as np
import pytest
import torch

from holdfast.artifacts import load_mask, save_mask
from holdfast.select import RandomOptions, ThresholdOptions, ranking, select_random, select_threshold, trim
from holdfast.select.blocks import BLOCK, HostBlock
from holdfast.select.ranking import select_extreme
from holdfast.values import Mask, Scores

SIZE = 2**31 + 10
PLANTED = [SIZE - 7, SIZE - 1]
UNPATCHED = ranking._blocks


@pytest.fixture
def scores() -> Scores:
    return Scores({"weight": torch.ones(1).expand(SIZE)}, "unit", "base", SIZE)


def held(scores: Scores, exclude: Mask | None = None) -> Iterator[tuple[int, np.ndarray]]:
    """What all blocks hold."""
    for start, block in UNPATCHED(scores, "weight", exclude):
        assert isinstance(block, HostBlock)
        yield start, block.scores


def ends(scores: Scores, name: str, exclude: Mask | None) -> Iterator[tuple[int, HostBlock]]:
    """The first and the last of all blocks, with larger scores planted in the last."""
    for start, block in held(scores, exclude):
        if start == 0:
            yield start, HostBlock(block)
        elif start + len(block) == SIZE:
            planted = block.copy()
            planted[[place - start for place in PLANTED]] = 2.0
            yield start, HostBlock(planted)


def test_blocks_reach_the_last_entry(scores):
    starts = [(start, len(block)) for start, block in held(scores)]
    assert sum(length for _, length in starts) == SIZE
    assert starts[-1] == (SIZE // BLOCK * BLOCK, SIZE % BLOCK)


@pytest.mark.parametrize("by", ["rank", "threshold"])
def test_entries_beyond_32_bits_are_selected_saved_and_loaded(by, scores, tmp_path):
    with patch.object(ranking, "_blocks", ends):
        if by == "rank":
            mask = select_extreme(scores, 2, largest=True, made_by={})
        else:
            mask = select_threshold(scores, ThresholdOptions(threshold=1.5))
    assert mask["weight"].dtype == torch.int64
    assert mask["weight"].tolist() == PLANTED
    save_mask(tmp_path / "mask.safetensors", mask)
    assert load_mask(tmp_path / "mask.safetensors").equals(mask)


def test_excluded_entries_are_left_out_of_the_block_that_holds_them(scores):
    exclude = Mask({"weight": torch.tensor(PLANTED)}, scores.shapes, "base", SIZE)
    left_out = [
        start + int(place)
        for start, block in held(scores, exclude)
        if start > SIZE - BLOCK
        for place in np.flatnonzero(np.isnan(block))
    ]
    assert left_out == PLANTED


@pytest.mark.parametrize("per_tensor", [False, True])
def test_random_entries_reach_beyond_32_bits(per_tensor, scores):
    mask = select_random(scores, RandomOptions(fraction=1e-5, per_tensor=per_tensor))
    assert len(mask) == round(1e-5 * SIZE)
    # 2**31 is passed by no int32, and 21,475 draws leave the last thousandth empty once in e**21 seeds.
    assert mask["weight"].dtype == torch.int64
    assert int(mask["weight"][-1]) > 0.999 * SIZE


def test_random_entries_of_tensors_that_together_pass_32_bits_have_indices_of_their_own():
    entries = {name: torch.ones(1).expand(2**30 + 8) for name in ("a", "b", "c")}
    mask = select_random(Scores(entries, "unit", "base", 3 * (2**30 + 8)), RandomOptions(fraction=1e-5))
    assert all(0.3 < mask[name].numel() / len(mask) < 0.37 for name in entries)
    assert all(int(mask[name][-1]) < 2**30 + 8 for name in entries)


def test_trimming_gathers_entries_beyond_32_bits(scores):
    mask = Mask({"weight": torch.tensor([3, *PLANTED])}, scores.shapes, "base", SIZE)
    assert trim(mask, scores, 2)["weight"].tolist() == [3, PLANTED[0]]  # all tie: the lower indices stay
