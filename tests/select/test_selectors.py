import hashlib
import json
from dataclasses import replace

import pytest
import torch

from holdfast.select import (
    SELECTORS,
    BottomOptions,
    RandomOptions,
    SetDifferenceOptions,
    TopOptions,
    select_bottom,
    select_random,
    select_safety_only,
    select_top,
)
from holdfast.values import Scores
from holdfast.wrong_options import OptionsError


def make_scores(seed: int = 0, base: str = "base") -> Scores:
    generator = torch.Generator().manual_seed(seed)
    shapes = {"second": (20, 10), "first": (30, 40), "third": (5, 10, 20)}
    entries = {name: torch.rand(shape, generator=generator) for name, shape in shapes.items()}
    return Scores(entries, "unit", base, 10_000, {"seed": seed})


def test_top_and_bottom_rank_all_tensors_together():
    scores = Scores({"low": torch.tensor([1.0, 2.0, 3.0]), "high": torch.tensor([4.0, 5.0, 6.0])}, "unit", "base", 6)
    assert {name: index.tolist() for name, index in select_top(scores, TopOptions(fraction=0.5)).indices.items()} == {
        "high": [0, 1, 2]
    }
    bottom = select_bottom(scores, BottomOptions(fraction=0.5))
    assert {name: index.tolist() for name, index in bottom.indices.items()} == {"low": [0, 1, 2]}


def test_every_selector_of_a_fraction_takes_it_of_the_scored_entries_and_says_how():
    scores, utility = make_scores(0), make_scores(1)
    for name in set(SELECTORS) - {"threshold", "votes"}:
        selector = SELECTORS[name]
        mask = selector.select(scores, **({"utility": utility} if selector.needs_utility else {}))
        assert len(mask) == 24  # 1% of 2,400
        assert mask.made_by["selector"] == name
        assert mask.made_by["fraction"] == 0.01
        assert (mask.base, mask.num_parameters, dict(mask.shapes)) == ("base", 10_000, scores.shapes)


GOLDEN = {
    (0.01, "top"): "16483b704ce37a72",
    (0.01, "bottom"): "b28c143b03d10d6e",
    (0.01, "random"): "c5fd6407a690be06",
    (0.01, "safety_only"): "ff6ba4fc5db2998f",
    (0.3, "top"): "ed7a05cf194a61b9",
    (0.3, "bottom"): "d5e1e2d6a048c130",
    (0.3, "random"): "defa4d1fd9601eaf",
    (0.3, "safety_only"): "3bae06ada395360a",
    (0.6, "top"): "ad6462e9f72cb546",
    (0.6, "bottom"): "d033bf80b73f6d24",
    (0.6, "random"): "e94e0c8067f06e48",
    (0.6, "safety_only"): "1482072387eea625",
}


def tied_scores(factor: int) -> Scores:
    """2,400 scores of 1,021 values, the same on every machine."""
    shapes = {"second": (20, 10), "first": (30, 40), "third": (5, 10, 20)}
    values = (torch.arange(2400) * factor % 1021 / 1024).split([200, 1200, 1000])
    entries = {name: part.reshape(shape) for (name, shape), part in zip(shapes.items(), values, strict=True)}
    return Scores(entries, "unit", "base", 10_000)


@pytest.mark.parametrize(("fraction", "name"), GOLDEN)
def test_masks_are_those_of_every_version_before(fraction, name):
    selector, shared = SELECTORS[name], {"fraction": fraction, "utility_fraction": 0.2, "seed": 5}
    options = selector.options(**{key: value for key, value in shared.items() if key in selector.options.model_fields})
    beside = {"utility": tied_scores(104729)} if selector.needs_utility else {}
    mask = selector.select(tied_scores(7919), options=options, **beside)
    indices = json.dumps({name: index.tolist() for name, index in mask.indices.items()})
    assert hashlib.sha256(indices.encode()).hexdigest().startswith(GOLDEN[fraction, name])


def test_random_masks_repeat_with_a_seed_and_differ_between_seeds():
    scores = make_scores()
    first, again, other = (select_random(scores, RandomOptions(fraction=0.1, seed=seed)) for seed in (3, 3, 4))
    assert first.equals(again)
    assert not first.equals(other)


@pytest.mark.parametrize("fraction", [0.01, 0.3, 0.9])
def test_random_selection_is_uniform_over_all_entries(fraction):
    """Each entry is in as often as any other: the count of 400 draws has mean n p and variance n p (1 - p)."""
    scores, num_draws = make_scores(), 400
    counts = {name: torch.zeros(tensor.numel()) for name, tensor in scores.entries.items()}
    for seed in range(num_draws):
        mask = select_random(scores, RandomOptions(fraction=fraction, seed=seed))
        assert len(mask) == round(fraction * 2400)
        for name, index in mask.indices.items():
            counts[name][index] += 1
    variance = num_draws * fraction * (1 - fraction)
    for count in counts.values():
        # Mean of the tensor's counts, within five standard errors; spread as a binomial's, within a third.
        assert abs(float(count.mean()) - num_draws * fraction) < 5 * (variance / count.numel()) ** 0.5
        assert 0.66 < float(count.var()) / variance < 1.33


def test_safety_only_entries_are_the_best_by_safety_outside_the_utility_top():
    scores, utility = make_scores(0), make_scores(1)
    options = SetDifferenceOptions(fraction=0.1, utility_fraction=0.3)
    mask = select_safety_only(scores, utility, options)
    utility_top = select_top(utility, TopOptions(fraction=0.3))
    assert len(mask) == 240
    assert len(mask & utility_top) == 0
    worst = min(float(scores.entries[name].flatten()[mask[name]].min()) for name in mask.indices)
    for name, tensor in scores.entries.items():
        better = set((tensor.flatten() > worst).nonzero().flatten().tolist())
        assert better <= set(mask[name].tolist()) | set(utility_top[name].tolist())


def test_set_difference_with_an_unrelated_utility_keeps_most_of_the_top_and_with_itself_none():
    scores = make_scores(0)
    same_order = replace(scores, entries={name: 2 * tensor for name, tensor in scores.entries.items()})
    top = select_top(scores, TopOptions(fraction=0.05))
    itself = select_safety_only(scores, same_order, SetDifferenceOptions(fraction=0.05, utility_fraction=0.05))
    assert len(itself & top) == 0
    unrelated = select_safety_only(scores, make_scores(1), SetDifferenceOptions(fraction=0.05))
    assert len(unrelated & top) > 0.8 * len(top)  # a twentieth is passed over in expectation


def test_set_difference_refuses_scores_of_another_model_and_a_utility_set_that_leaves_too_little():
    with pytest.raises(ValueError, match="different models or sites"):
        select_safety_only(make_scores(0), make_scores(1, base="other"))
    options = SetDifferenceOptions(fraction=0.5, utility_fraction=0.6)
    with pytest.raises(ValueError, match="cannot select 1200 of the 960 entries"):
        select_safety_only(make_scores(0), make_scores(1), options)


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5])
def test_fractions_outside_0_and_1_are_refused(fraction):
    with pytest.raises(OptionsError):
        TopOptions(fraction=fraction)
