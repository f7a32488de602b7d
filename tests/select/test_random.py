"""Random masks whose counts are fixed in every tensor: in proportion to its size, or as another mask has them."""

from fractions import Fraction

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from holdfast.select import RandomOptions, TopOptions, select_random, select_top
from holdfast.values import Mask, Scores

SIZES = st.lists(st.integers(0, 40), min_size=1, max_size=6).filter(lambda sizes: sum(sizes) > 1)


def scores_of(sizes: list[int], base: str = "base") -> Scores:
    generator = torch.Generator().manual_seed(0)
    entries = {f"weight_{order}": torch.rand(size, generator=generator) for order, size in enumerate(sizes)}
    return Scores(entries, "unit", base, 1000)


def counts_of(mask: Mask) -> dict[str, int]:
    return {name: mask[name].numel() for name in mask.shapes}


@settings(deadline=None, max_examples=40)
@given(sizes=SIZES, choice=st.randoms())
def test_per_tensor_counts_are_shares_rounded_to_the_exact_total(sizes, choice):
    scores, total = scores_of(sizes), sum(sizes)
    num_selected = choice.randint(1, total - 1)
    mask = select_random(scores, RandomOptions(fraction=num_selected / total, per_tensor=True))
    shares = {name: Fraction(num_selected * size, total) for name, size in zip(scores.entries, sizes, strict=True)}
    left = num_selected - sum(int(share) for share in shares.values())
    largest = sorted(shares, key=lambda name: (int(shares[name]) - shares[name], name))[:left]
    assert counts_of(mask) == {name: int(share) + (name in largest) for name, share in shares.items()}
    assert len(mask) == num_selected


@settings(deadline=None, max_examples=40)
@given(sizes=SIZES, choice=st.randoms())
def test_a_random_mask_like_another_has_its_count_in_every_tensor(sizes, choice):
    scores, total = scores_of(sizes), sum(sizes)
    like = select_top(scores, TopOptions(fraction=choice.randint(1, total - 1) / total))
    assume(any(0 < count < len(scores.entries[name]) for name, count in counts_of(like).items()))
    assert counts_of(select_random(scores, like=like)) == counts_of(like)


@pytest.mark.parametrize("how", ["per_tensor", "like"])
def test_entries_within_a_tensor_are_drawn_uniformly(how):
    """An entry is in with probability 0.3 in each of 400 draws: mean 120, and always the same total."""
    scores, num_draws = scores_of([100, 60]), 400
    like = select_random(scores, RandomOptions(fraction=0.3, per_tensor=True, seed=99))
    counts = {name: torch.zeros(tensor.numel()) for name, tensor in scores.entries.items()}
    for seed in range(num_draws):
        if how == "like":
            mask = select_random(scores, RandomOptions(seed=seed), like=like)
        else:
            mask = select_random(scores, RandomOptions(fraction=0.3, per_tensor=True, seed=seed))
        for name, index in mask.indices.items():
            counts[name][index] += 1
    for count in counts.values():
        assert float(count.mean()) == pytest.approx(120)
        assert (count - 120).abs().max() < 5 * (num_draws * 0.3 * 0.7) ** 0.5  # five standard deviations of a binomial
        assert 0.5 < float(count.var()) / (num_draws * 0.3 * 0.7) < 1.6  # as a binomial's; 60 counts leave it 18% wide


def test_fixed_counts_repeat_with_a_seed_and_differ_between_seeds():
    scores = scores_of([100, 60])
    for fixed in ({"per_tensor": True, "fraction": 0.2}, {}):
        like = None if fixed else select_top(scores, TopOptions(fraction=0.2))
        first, again, other = (select_random(scores, RandomOptions(seed=seed, **fixed), like) for seed in (1, 1, 2))
        assert first.equals(again)
        assert not first.equals(other)


def test_a_mask_to_match_takes_the_place_of_every_option_but_the_seed():
    scores = scores_of([10, 10])
    like = select_top(scores, TopOptions(fraction=0.2))
    for option in ({"fraction": 0.1}, {"per_tensor": True}, {"layers": (0,)}, {"components": ("mlp",)}):
        with pytest.raises(ValueError, match=f"so {next(iter(option))} has no effect"):
            select_random(scores, RandomOptions(**option), like=like)


def test_a_mask_to_match_of_another_model_or_without_entries_is_refused():
    scores = scores_of([10, 10])
    with pytest.raises(ValueError, match="different models or sites"):
        select_random(scores, like=select_top(scores_of([10, 10], base="other"), TopOptions(fraction=0.2)))
    with pytest.raises(ValueError, match="different models or sites"):
        select_random(scores, like=select_top(scores_of([10, 9]), TopOptions(fraction=0.2)))
    with pytest.raises(ValueError, match="selects no entry"):
        select_random(scores, like=Mask({}, scores.shapes, scores.base, 1000))


def like(**counts: int) -> Mask:
    """A mask with the first entries of tensors of 40, 20 and 10 entries."""
    indices = {name: torch.arange(count) for name, count in counts.items()}
    return Mask(indices, scores_of([40, 20, 10]).shapes, "base", 1000)


def test_a_mask_of_whole_matrices_is_not_matched_because_no_draw_can_differ(caplog):
    with pytest.raises(
        ValueError, match=r"selects whole matrices, so a draw .* the same mask; .* a fraction of 0\.5714"
    ):
        select_random(scores_of([40, 20, 10]), like=like(weight_0=40))
    select_random(scores_of([40, 20, 10]), like=like(weight_0=39))
    assert not caplog.records
    select_random(scores_of([40, 20, 10]), like=like(weight_1=20, weight_0=20))
    assert "20 of the 40 entries of the mask to match lie in matrices that it selects whole" in caplog.text


def test_a_number_is_the_fraction_and_the_seed_stands_beside_it():
    scores = scores_of([40, 20, 10])
    for seed in range(2):
        mask = select_random(scores, 0.1, seed=seed)
        assert mask == select_random(scores, RandomOptions(fraction=0.1, seed=seed))
        like = select_top(scores, 0.1)
        assert select_random(scores, like=like, seed=seed) == select_random(scores, RandomOptions(seed=seed), like)
    with pytest.raises(ValueError, match="so fraction has no effect"):
        select_random(scores, 0.1, like=like, seed=1)
