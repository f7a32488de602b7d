"""Selection against a sort: the oracle sorts all (score, tensor, index) together and takes from one end."""

from collections.abc import Iterator
from contextlib import nullcontext
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.select import blocks
from holdfast.select.blocks import DeviceBlock
from holdfast.select.ranking import count_selected, select_extreme
from holdfast.values import Mask, Scores
from tests.select.given import TENSORS, is_arbitrary, make_scores, selected_entries, sorted_entries


def as_on_a_device(scores: np.ndarray) -> DeviceBlock:
    """A block that is counted as scores on a device are."""
    return DeviceBlock(torch.from_numpy(scores))


@pytest.fixture(params=["host", "device"], autouse=True, scope="module")
def place(request) -> Iterator[None]:
    """Everything here holds of scores on a device too."""
    with patch.object(blocks, "HostBlock", as_on_a_device) if request.param == "device" else nullcontext():
        yield


@settings(deadline=None, max_examples=40)
@given(tensors=TENSORS, largest=st.booleans(), block=st.sampled_from([1, 3, 64]), choice=st.randoms())
def test_selection_equals_a_sort_with_ties_to_the_earlier_tensor_and_index(tensors, largest, block, choice):
    scores = make_scores(tensors)
    if scores.num_entries == 0:
        return
    num_selected = choice.randint(1, scores.num_entries)
    if largest and is_arbitrary(scores, sorted_entries(scores, largest), num_selected):
        return
    with patch.object(blocks, "BLOCK", block):
        mask = select_extreme(scores, num_selected, largest=largest, made_by={})
    assert selected_entries(mask) == set(sorted_entries(scores, largest)[:num_selected])


@settings(deadline=None, max_examples=40)
@given(tensors=TENSORS, largest=st.booleans(), block=st.sampled_from([1, 3, 64]), choice=st.randoms())
def test_excluded_entries_are_passed_over_and_made_up_for(tensors, largest, block, choice):
    scores = make_scores(tensors)
    excluded = {entry for entry in sorted_entries(scores, largest) if choice.random() < 0.4}
    allowed = [entry for entry in sorted_entries(scores, largest) if entry not in excluded]
    if not allowed:
        return
    indices = {name: torch.tensor(sorted(i for n, i in excluded if n == name)).long() for name in scores.entries}
    exclude = Mask(indices, scores.shapes, "base", 1000)
    num_selected = choice.randint(1, len(allowed))
    if largest and is_arbitrary(scores, allowed, num_selected):
        return
    with patch.object(blocks, "BLOCK", block):
        mask = select_extreme(scores, num_selected, largest=largest, made_by={}, exclude=exclude)
    assert selected_entries(mask) == set(allowed[:num_selected])


def test_random_scores_of_many_magnitudes_are_cut_exactly():
    generator = torch.Generator().manual_seed(0)
    entries = {
        f"weight_{order}": torch.randn(300, 300, generator=generator).abs() * 10.0 ** -(3 * order) for order in range(4)
    }
    scores = Scores(entries, "unit", "base", 360_000)
    everything = torch.cat([tensor.flatten() for tensor in scores.entries.values()])
    for num_selected in (1, 3_600, 180_000, 359_999):
        mask = select_extreme(scores, num_selected, largest=True, made_by={})
        found = torch.cat([scores.entries[name].flatten()[mask[name]] for name in mask.indices])
        assert torch.equal(found.sort(descending=True).values, everything.topk(num_selected).values)


def test_a_transposed_tensor_is_indexed_in_row_major_order():
    tensor = torch.tensor([[1.0, 5.0], [2.0, 4.0], [3.0, 9.0]]).T
    mask = select_extreme(Scores({"weight": tensor}, "unit", "base", 6), 2, largest=True, made_by={})
    assert mask["weight"].tolist() == [3, 5]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -1.0, -1e-45])
@pytest.mark.parametrize("largest", [True, False])
def test_scores_without_a_rank_are_refused(bad, largest):
    scores = make_scores([[1.0, 2.0], [0.5, bad, -0.0, 1.0]])
    with pytest.raises(ValueError, match=r"[12] scores of weight_1 are NaN, infinite or negative"):
        select_extreme(scores, 1, largest=largest, made_by={})


def test_scores_of_0_are_not_taken_for_the_largest_but_for_the_smallest():
    scores = make_scores([[0.0, 2.0, -0.0], [1.0, 0.0]])
    for num_selected in (3, 4):
        with pytest.raises(ValueError, match=f"only 2 scores are above 0, .* choice of {num_selected} would"):
            select_extreme(scores, num_selected, largest=True, made_by={})
    assert len(select_extreme(scores, 2, largest=True, made_by={})) == 2
    assert len(select_extreme(scores, 5, largest=True, made_by={})) == 5  # all of them: nothing is left to choose
    assert len(select_extreme(scores, 3, largest=False, made_by={})) == 3


def test_more_entries_than_there_are_are_refused():
    with pytest.raises(ValueError, match="cannot select 3 of the 2 entries"):
        select_extreme(make_scores([[1.0, 2.0]]), 3, largest=True, made_by={})


def test_a_fraction_is_rounded_and_one_that_selects_nothing_is_refused():
    assert count_selected(0.29, 100) == 29  # 0.29 * 100 is 28.999999999999996
    with pytest.raises(ValueError, match=r"fraction 0\.001 of 100 scored entries selects none"):
        count_selected(0.001, 100)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.5, float("nan")])
def test_a_fraction_outside_0_and_1_is_refused(fraction):
    with pytest.raises(ValueError, match=r"is not in \(0, 1\)"):
        count_selected(fraction, 100)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("largest", [True, False])
def test_scores_of_any_floating_type_are_ranked(dtype, largest):
    tensor = torch.tensor([2.0, 1.0, 3.0, 0.5], dtype=dtype)  # exact in every one of them
    mask = select_extreme(Scores({"weight": tensor}, "unit", "base", 4), 2, largest=largest, made_by={})
    assert mask["weight"].tolist() == ([0, 2] if largest else [1, 3])
