import pytest
import torch

from holdfast.intervene.patch.merge import merge_chunks
from holdfast.intervene.patch.patch_files import Chunk


def chunk(entries, old=0.0):
    """Index to value; old values are all the same."""
    index = torch.tensor(sorted(entries))
    values = torch.tensor([entries[place] for place in sorted(entries)], dtype=torch.bfloat16)
    return Chunk(index, values, None if old is None else torch.full_like(values, old))


FIRST, SECOND, THIRD = {2: 1.0, 5: 2.0, 9: 3.0}, {0: 4.0, 5: 5.0, 9: 3.0}, {5: 6.0, 7: 7.0}


@pytest.mark.parametrize(("prefer", "at_five"), [("first", 2.0), ("last", 6.0)])
def test_the_entries_of_any_are_joined_and_conflicts_go_to_the_preferred(prefer, at_five):
    merged, conflicts = merge_chunks([chunk(FIRST), chunk(SECOND), chunk(THIRD)], prefer)
    assert merged.index.tolist() == [0, 2, 5, 7, 9]
    assert merged.values.tolist() == [4.0, 1.0, at_five, 7.0, 3.0]
    assert conflicts == 1  # 9 is set twice, to one value


def test_an_entry_that_is_back_at_the_first_value_in_the_last_patch_is_still_a_conflict():
    assert merge_chunks([chunk({1: 1.0}), chunk({1: 2.0}), chunk({1: 1.0})], "first")[1] == 1


def test_bits_are_compared_not_numbers():
    nan = float("nan")
    assert merge_chunks([chunk({1: nan, 2: 0.0}), chunk({1: nan, 2: -0.0})], "first")[1] == 1


def test_old_values_are_kept_when_all_have_them_and_must_agree():
    assert merge_chunks([chunk(FIRST), chunk(SECOND)], "first")[0].old.tolist() == [0.0] * 4
    assert merge_chunks([chunk(FIRST), chunk(SECOND, old=None)], "first")[0].old is None
    with pytest.raises(ValueError, match="have different old values at an entry"):
        merge_chunks([chunk(FIRST), chunk(SECOND, old=1.0)], "first")
