import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.select import combine, random_iou, random_iou_per_tensor
from holdfast.values import Mask
from tests.select.given import selected_entries

SHAPES = {"first": (3, 4), "second": (5,)}
UNIVERSE = [(name, index) for name, size in (("first", 12), ("second", 5)) for index in range(size)]
SETS = st.lists(st.sets(st.sampled_from(UNIVERSE)), min_size=2, max_size=4)
EXPECTED = {
    "union": lambda sets: set().union(*sets),
    "intersection": lambda sets: sets[0].intersection(*sets[1:]),
    "difference": lambda sets: sets[0].difference(*sets[1:]),
}


def mask_of(entries, base="base"):
    indices = {name: torch.tensor(sorted(i for n, i in entries if n == name)).long() for name in SHAPES}
    return Mask(indices, SHAPES, base, 20)


@settings(deadline=None, max_examples=40)
@given(sets=SETS, operation=st.sampled_from(sorted(EXPECTED)))
def test_masks_combine_like_sets(sets, operation):
    expected = EXPECTED[operation](sets)
    masks = [mask_of(entries) for entries in sets]
    if expected:
        joined = combine(operation, masks)
        assert selected_entries(joined) == expected
        assert (dict(joined.shapes), joined.base, joined.num_parameters) == (SHAPES, "base", 20)
    else:
        with pytest.raises(ValueError, match=f"the {operation} of these {len(sets)} masks selects no entry"):
            combine(operation, masks)


def test_masks_of_different_models_and_a_single_mask_are_refused():
    mask = mask_of({("first", 1)})
    with pytest.raises(ValueError, match="different models or sites"):
        combine("union", [mask, mask_of({("first", 1)}, base="other")])
    with pytest.raises(ValueError, match="give two or more"):
        combine("union", [mask])


def test_the_random_overlap_is_that_of_random_sets_of_these_sizes():
    universe, generator = {"weight": (10_000,)}, torch.Generator().manual_seed(0)

    def drawn(size):
        return Mask(
            {"weight": torch.randperm(10_000, generator=generator)[:size].sort().values}, universe, "base", 10_000
        )

    for sizes in ((1000, 1000), (3000, 500)):
        pairs = [(drawn(sizes[0]), drawn(sizes[1])) for _ in range(50)]
        mean = sum(left.iou(right) for left, right in pairs) / len(pairs)
        # The spread of one overlap is below 0.006 (hypergeometric), of the mean of 50 below 0.001; five of those.
        assert mean == pytest.approx(random_iou(*pairs[0]), abs=0.005)
    tenth = drawn(1000)
    assert random_iou(tenth, tenth) == pytest.approx(0.1 / (2 - 0.1))
    assert random_iou(drawn(0), drawn(0)) == 1


def test_the_random_overlap_per_tensor_is_that_of_random_sets_with_as_many_in_every_tensor():
    shapes, generator = {"dense": (1000,), "sparse": (100, 90), "empty": (500,)}, torch.Generator().manual_seed(0)

    def drawn(**sizes):
        sizes = {name: (size, shapes[name]) for name, size in sizes.items()}
        indices = {
            name: torch.randperm(math.prod(shape), generator=generator)[:size].sort().values
            for name, (size, shape) in sizes.items()
        }
        return Mask(indices, shapes, "base", 10_500)

    pairs = [(drawn(dense=500, sparse=90), drawn(dense=400, sparse=180)) for _ in range(50)]
    mean = sum(left.iou(right) for left, right in pairs) / len(pairs)
    # Both are expected to share 500 * 400 / 1000 + 90 * 180 / 9000 = 201.8 of 1170 - 201.8.
    assert random_iou_per_tensor(*pairs[0]) == pytest.approx(201.8 / 968.2)
    # The spread of one overlap is 0.01 (hypergeometric), that of the mean of 50 is 0.0014. Five of it.
    assert mean == pytest.approx(random_iou_per_tensor(*pairs[0]), abs=0.007)
    assert random_iou(*pairs[0]) < 0.3 * mean
    assert random_iou_per_tensor(drawn(dense=5), drawn(sparse=5)) == 0
    assert random_iou_per_tensor(drawn(), drawn()) == 1
