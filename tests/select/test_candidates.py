"""Candidates against `top` on all scores together: the same mask, whatever ties there are and in whatever order."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.select.candidates import SLACK, Candidates
from holdfast.select.top import TopOptions, select_top
from holdfast.values import Scores
from tests.select.given import MODEL_TENSORS, make_model_scores, make_scores


def outline_of(scores: Scores) -> Scores:
    return replace(scores, entries={name: tensor.to("meta") for name, tensor in scores.entries.items()})


def streamed(scores: Scores, options: TopOptions, order: list[str]):
    candidates = Candidates(outline_of(scores), options)
    for name in order:
        candidates.add(name, scores.entries[name])
    return candidates


@settings(deadline=None, max_examples=40)
@given(tensors=MODEL_TENSORS, fraction=st.floats(0.03, 0.99), choice=st.randoms())
def test_the_mask_is_that_of_top_with_many_ties_and_in_any_order(tensors, fraction, choice):
    scores, options = make_model_scores(tensors), TopOptions(fraction=fraction)
    order = list(scores.entries)
    choice.shuffle(order)
    candidates = streamed(scores, options, order)
    num_above = sum(int((tensor > 0).sum()) for tensor in scores.entries.values())
    if num_above < candidates.num_selected < scores.num_entries:
        for select in (candidates.select, lambda: select_top(scores, options)):
            with pytest.raises(ValueError, match=f"only {num_above} scores are above 0, so a choice of"):
                select()
        return
    mask, expected = candidates.select(), select_top(scores, options)
    assert mask.equals(expected)
    assert mask.made_by == expected.made_by
    assert (mask.base, mask.num_parameters) == (expected.base, expected.num_parameters)


def random_scores(count: int = 40) -> Scores:
    generator = torch.Generator().manual_seed(0)
    entries = {f"layer_{order:02}": torch.randn(100, 100, generator=generator).abs() for order in range(count)}
    return Scores(entries, "unit", "base", 10_000 * count)


@pytest.mark.parametrize("backwards", [False, True])
def test_little_more_is_held_than_what_is_selected(backwards):
    """At the top 1% of normal scores, 2.58, a bucket is 1/64 wide and holds 0.045% of them: 4.5% of what is selected.

    Until as many have come as are selected all are held: here the first parameter's 10,000.
    """
    scores, options = random_scores(), TopOptions(fraction=0.01)
    candidates = Candidates(outline_of(scores), options)
    for name in sorted(scores.entries, reverse=backwards):
        candidates.add(name, scores.entries[name])
        assert candidates.num_kept <= 10_000 + SLACK * 1.1 * candidates.num_selected
    assert candidates.num_kept <= SLACK * 1.1 * candidates.num_selected
    assert candidates.select().equals(select_top(scores, options))


def test_how_the_scores_were_made_can_be_told_in_the_end():
    scores = random_scores(2)
    candidates = streamed(scores, TopOptions(fraction=0.5), list(scores.entries))
    assert candidates.select({"idle_experts": 3}).made_by["scores"] == {"idle_experts": 3}


def test_scores_of_0_are_no_candidates():
    scores = make_scores([[0.0] * 50, [1.0, 0.0, 2.0, 3.0]])
    candidates = streamed(scores, TopOptions(fraction=0.04), list(scores.entries))
    assert candidates.num_selected == 2
    assert candidates.num_kept <= 3


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -1.0])
def test_scores_without_a_rank_are_refused(bad):
    scores = make_scores([[1.0, bad]])
    with pytest.raises(ValueError, match="1 scores of weight_0 are NaN, infinite or negative"):
        streamed(scores, TopOptions(fraction=0.5), list(scores.entries))


def test_a_part_of_the_model_is_refused():
    scores = make_model_scores([[1.0, 2.0, 3.0, 4.0]] * 6)
    with pytest.raises(ValueError, match="covers the whole model"):
        Candidates(outline_of(scores), TopOptions(fraction=0.5, layers=(1,)))
