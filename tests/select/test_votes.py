"""Every example votes for the neurons that reach a share of its largest score, and most votes win."""

import pytest
import torch

from holdfast.select.top import select_top
from holdfast.select.votes import VotesOptions, count_votes, select_votes
from holdfast.values import Scores

A, B = "layers.0.down_proj@input", "layers.1.down_proj@input"
# Four neurons in two layers, three examples. Neuron 0 of A matters most to one example, neuron 1 of B to all.
BY_EXAMPLE = {
    A: torch.tensor([[9.0, 0.0], [0.0, 0.2], [0.0, 0.0]]),
    B: torch.tensor([[0.0, 1.0], [0.0, 1.0], [0.0, 1.0]]),
}


def scores(entries=BY_EXAMPLE) -> Scores:
    return Scores(entries, "nats", "base", 4, {"method": "integrated_gradients"}, "neuron_by_example")


def test_most_votes_win_over_the_largest_score():
    mask = select_votes(scores(), VotesOptions(fraction=0.25))
    assert mask.indices[B].tolist() == [1]
    assert mask.granularity == "neuron"
    assert mask.shapes == {A: (2,), B: (2,)}
    assert mask.num_parameters == 4
    assert mask.made_by["selector"] == "votes"


def test_votes_by_hand():
    flat = torch.cat(list(BY_EXAMPLE.values()), dim=1)
    assert count_votes(flat, share=0.1).tolist() == [1, 1, 0, 3]  # 1 of 9 reaches a tenth
    assert count_votes(flat, share=0.2).tolist() == [1, 1, 0, 2]  # 1 of 9 does not reach a fifth, 0.2 of 1 does
    assert count_votes(flat, share=0.1, most=1).tolist() == [1, 0, 0, 2]


def test_the_larger_sum_wins_among_equal_votes():
    mask = select_votes(scores(), VotesOptions(fraction=0.5))  # both neurons of A have one vote, 9.0 and 0.2
    assert (mask[A].tolist(), mask[B].tolist()) == ([0], [1])


def test_bad_input_is_one_sentence():
    with pytest.raises(ValueError, match=r"only 3 neurons reach 0.1 of an example's largest score, so a choice of 4"):
        select_votes(scores(), VotesOptions(fraction=0.99))
    nothing = scores({name: torch.zeros_like(values) for name, values in BY_EXAMPLE.items()})
    with pytest.raises(ValueError, match="no neuron of the 3 examples is above the threshold, because no score is"):
        select_votes(nothing, VotesOptions(fraction=0.25))
    together = Scores({A: torch.ones(2)}, "nats", "base", 2, {}, "neuron")
    with pytest.raises(ValueError, match="votes needs scores by example; give the file OUT_examples"):
        select_votes(together)
    with pytest.raises(
        ValueError, match="one number for each example, so an entry is no neuron; choose selector votes"
    ):
        select_top(scores(), 0.25)
