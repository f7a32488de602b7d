import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.prompts.batching import batches_by_length, left_pad, right_pad


@settings(deadline=None)
@given(st.lists(st.integers(1, 50), min_size=1, max_size=40), st.integers(1, 200))
def test_every_item_is_in_one_batch_and_the_budget_holds(lengths, budget):
    batches = batches_by_length(lengths, budget)
    assert sorted(position for batch in batches for position in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[position] for position in batch) <= budget


def test_padding_sits_on_the_named_side():
    ids, mask = left_pad([[5], [6, 7]], pad_id=0)
    assert ids.tolist() == [[0, 5], [6, 7]]
    assert mask.tolist() == [[0, 1], [1, 1]]
    ids, mask = right_pad([[5], [6, 7]], pad_id=0)
    assert ids.tolist() == [[5, 0], [6, 7]]
    assert mask.tolist() == [[1, 0], [1, 1]]


def test_a_budget_of_nothing_is_refused():
    with pytest.raises(ValueError, match="token_budget must be at least 1"):
        batches_by_length([1], 0)
