import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast import __version__
from holdfast.select import trim
from holdfast.values import Mask, Scores
from tests.select.given import TENSORS, is_arbitrary, make_scores, selected_entries, sorted_entries


def mask_of(entries: set[tuple[str, int]], scores: Scores, base: str = "base") -> Mask:
    indices = {name: torch.tensor(sorted(i for n, i in entries if n == name)).long() for name in scores.entries}
    return Mask(indices, scores.shapes, base, 1000, {"selector": "test"})


@settings(deadline=None, max_examples=40)
@given(tensors=TENSORS, choice=st.randoms())
def test_trimming_keeps_the_best_scored_entries_of_the_mask_with_ties_as_in_top(tensors, choice):
    scores = make_scores(tensors)
    inside = [entry for entry in sorted_entries(scores, largest=True) if choice.random() < 0.6]
    if not inside:
        return
    num_kept = choice.randint(1, len(inside))
    if is_arbitrary(scores, inside, num_kept):
        return
    assert selected_entries(trim(mask_of(set(inside), scores), scores, num_kept)) == set(inside[:num_kept])


def test_scores_outside_the_mask_do_not_count_even_without_a_rank():
    scores = make_scores([[float("inf"), 1.0, 2.0], [float("nan"), 3.0]])
    mask = mask_of({("weight_0", 1), ("weight_0", 2), ("weight_1", 1)}, scores)
    assert selected_entries(trim(mask, scores, 2)) == {("weight_0", 2), ("weight_1", 1)}


def test_entries_of_a_transposed_tensor_are_those_in_row_major_order():
    tensor = torch.tensor([[1.0, 5.0], [2.0, 4.0], [3.0, 9.0]]).T
    scores = Scores({"weight": tensor}, "unit", "base", 6)
    assert trim(mask_of({("weight", 0), ("weight", 3), ("weight", 4)}, scores), scores, 1)["weight"].tolist() == [3]


def test_a_trimmed_mask_keeps_its_universe_and_says_how_it_was_made():
    scores = make_scores([[1.0, 2.0], [3.0]])
    trimmed = trim(mask_of({("weight_0", 0), ("weight_0", 1)}, scores), scores, 1)
    assert (dict(trimmed.shapes), trimmed.base, trimmed.num_parameters) == (scores.shapes, "base", 1000)
    assert trimmed.made_by == {"trim": 1, "holdfast": __version__, "mask": {"selector": "test"}, "scores": {}}


def test_a_mask_smaller_than_the_budget_and_scores_of_another_model_are_refused():
    scores = make_scores([[1.0, 2.0], [3.0]])
    with pytest.raises(ValueError, match="cannot trim a mask of 1 entries to 2"):
        trim(mask_of({("weight_0", 0)}, scores), scores, 2)
    with pytest.raises(ValueError, match="different models or sites"):
        trim(mask_of({("weight_0", 0)}, scores, base="other"), scores, 1)
