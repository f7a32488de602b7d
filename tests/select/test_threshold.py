import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast import __version__
from holdfast.select import ThresholdOptions, select_threshold
from holdfast.values import Scores
from tests.select.given import TENSORS, make_scores, selected_entries, sorted_entries


@settings(deadline=None, max_examples=40)
@given(tensors=TENSORS, choice=st.randoms())
def test_all_entries_that_reach_the_threshold_are_selected_and_none_or_all_are_refused(tensors, choice):
    scores = make_scores(tensors)
    entries = sorted_entries(scores, largest=True)
    if not entries:
        return
    name, index = choice.choice(entries)
    threshold = float(scores.entries[name][index])
    expected = {(name, index) for name, index in entries if float(scores.entries[name][index]) >= threshold}
    if len(expected) == len(entries):
        with pytest.raises(ValueError, match=f"selects all of the {len(entries)} entries"):
            select_threshold(scores, ThresholdOptions(threshold=threshold))
    else:
        assert selected_entries(select_threshold(scores, ThresholdOptions(threshold=threshold))) == expected


def test_a_threshold_is_compared_in_float32_so_that_a_score_that_prints_equal_is_in():
    scores = make_scores([[0.7, 0.1]])  # 0.7 in float32 is a little below 0.7 in float64
    assert selected_entries(select_threshold(scores, ThresholdOptions(threshold=0.7))) == {("weight_0", 0)}


@pytest.mark.parametrize(("threshold", "what"), [(0.1, "all"), (-1.0, "all"), (2.6, "none"), (1e300, "none")])
def test_a_threshold_outside_the_scores_is_refused_with_their_range(threshold, what):
    with pytest.raises(
        ValueError, match=f"selects {what} of the 3 entries, whose scores range from 0.1 to 2.5"
    ) as caught:
        select_threshold(make_scores([[0.1, 1.0], [2.5]]), ThresholdOptions(threshold=threshold))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -1.0])
def test_scores_without_a_rank_have_no_threshold(bad):
    with pytest.raises(ValueError, match="1 scores of weight_0 are NaN, infinite or negative"):
        select_threshold(make_scores([[1.0, bad, 2.0]]), ThresholdOptions(threshold=1.5))


def test_the_mask_says_how_it_was_made():
    scores = Scores({"weight": torch.tensor([1.0, 2.0])}, "unit", "base", 9, {"method": "esi"})
    mask = select_threshold(scores, ThresholdOptions(threshold=1.5))
    assert (mask.base, mask.num_parameters) == ("base", 9)
    how = {"selector": "threshold", "threshold": 1.5, "layers": (), "components": ()}
    assert mask.made_by == {**how, "holdfast": __version__, "scores": {"method": "esi"}}
