import numpy as np
import pytest
import torch

from holdfast.ranks import mean_ranks, rank_correlation, spearman_interval
from holdfast.select.jackknife import NO_ENDS, iou_interval, rank_interval
from holdfast.select.stability import stability
from holdfast.student_t import quantile_95
from holdfast.values import Mask, Scores


def masks_of(parts, size=1000):
    """Two masks that select, of each parameter, so many entries each, of which so many both do."""
    shapes = {f"p{order:03}": (size,) for order in range(len(parts))}
    chosen = [{}, {}]
    for name, (selected, common) in zip(shapes, parts, strict=True):
        chosen[0][name] = torch.arange(selected)
        chosen[1][name] = torch.arange(selected - common, 2 * selected - common)
    return [Mask(one, shapes, "base", size * len(parts)) for one in chosen]


def test_the_interval_of_an_iou_is_that_of_leaving_parameters_out():
    # Both, either: 1, 3; 2, 2; 0, 4. Whole 3 / 9; without the first 2 / 6, without the second 1 / 7, the third 3 / 5.
    parts = torch.tensor([2 / 6, 1 / 7, 3 / 5], dtype=torch.float64)
    spread = 2 / 3 * float((parts - parts.mean()).square().sum())
    low, high = iou_interval(*masks_of([(2, 1), (2, 2), (2, 0)]))
    half = quantile_95(2) * spread**0.5  # beyond 0 and 1: three parameters say next to nothing
    assert half > 2 / 3
    assert (low, high) == (0.0, 1.0)
    low, high = iou_interval(*masks_of([(2, 1), (2, 1), (2, 1)]))
    assert (low, high) == pytest.approx((1 / 3, 1 / 3))


@pytest.mark.slow
def test_the_interval_of_an_iou_covers_that_of_many_more_parameters():
    # A parameter's 50 entries are found again with a probability of its own, Beta(4, 2). IoU of all: E c / E (100 - c).
    generator, covered, trials = np.random.default_rng(0), 0, 300
    truth = (50 * 2 / 3) / (100 - 50 * 2 / 3)
    for _ in range(trials):
        common = generator.binomial(50, generator.beta(4, 2, 30)).tolist()
        low, high = iou_interval(*masks_of([(50, one) for one in common], size=100))
        covered += low <= truth <= high
    assert 0.92 <= covered / trials <= 0.98  # standard error 0.0126


def rank_ends(first, second):
    """The interval over parameters, from the scores of each."""
    return rank_interval(*(mean_ranks(torch.cat(parts)) for parts in (first, second)), [len(part) for part in first])


def test_ties_have_their_mean_rank():
    values = torch.tensor([0.5, -1.0, 0.5, 0.0, -0.0, 0.5])
    assert mean_ranks(values).tolist() == [5.0, 1.0, 5.0, 2.5, 2.5, 5.0]
    assert mean_ranks(torch.tensor([])).tolist() == []
    assert mean_ranks(torch.rand(2**20)).sum() == 2**20 * (2**20 + 1) / 2


def test_the_interval_of_a_rank_correlation_is_that_of_leaving_parameters_out():
    generator = torch.Generator().manual_seed(0)
    first = [torch.rand(40, generator=generator) for _ in range(5)]
    second = [part + torch.rand(40, generator=generator) for part in first]
    ranks = [torch.cat(parts).argsort().argsort().double() + 1 for parts in (first, second)]  # no ties
    kept = [torch.cat([torch.arange(200)[: 40 * at], torch.arange(200)[40 * at + 40 :]]) for at in range(5)]
    scaled = [float(torch.corrcoef(torch.stack([one[rest] for one in ranks]))[0, 1].atanh()) for rest in kept]
    half = quantile_95(4) * (4 / 5 * sum((one - sum(scaled) / 5) ** 2 for one in scaled)) ** 0.5
    centre = torch.tensor(rank_correlation(*map(torch.cat, (first, second)))).double().atanh()
    expected = tuple(float((centre + side * half).tanh()) for side in (-1, 1))
    assert rank_ends(first, second) == pytest.approx(expected, abs=1e-6)


def test_where_one_parameter_decides_nothing_is_said_to_be_known():
    assert iou_interval(*masks_of([(5, 3)])) == NO_ENDS
    one = [torch.rand(9), torch.rand(9)]
    assert rank_ends(one, one) == NO_ENDS
    assert rank_ends([torch.ones(4)] * 3, [torch.rand(4)] * 3) == NO_ENDS


def test_stability_holds_both_intervals_about_its_numbers():
    generator = torch.Generator().manual_seed(1)
    base = {f"p{order}": torch.rand(10 + order, 20, generator=generator) for order in range(12)}  # of unlike sizes
    other = {name: part + 0.3 * torch.rand(part.shape, generator=generator) for name, part in base.items()}
    found = stability(*(Scores(entries, "unit", "base", 4000) for entries in (base, other)), fraction=0.1)
    assert 0 < found.iou_low < found.iou < found.iou_high < 1
    assert 0 < found.rank_low < found.rank_correlation < found.rank_high < 1


def test_spearmans_interval_over_groups_has_the_worked_value():
    # atanh 0.6 = 0.693147; sqrt((1 + 0.18) / 25) = 0.217256; half = 0.425814: tanh 0.267333 and tanh 1.118961.
    assert spearman_interval(0.6, 28) == pytest.approx((0.261139, 0.807206), abs=1e-5)
    assert spearman_interval(1.0, 28) is None
    assert spearman_interval(0.5, 3) is None


def test_spearmans_interval_covers_the_true_correlation():
    generator, covered, trials = np.random.default_rng(2), 0, 1000
    truth = 6 / np.pi * np.arcsin(0.7 / 2)  # Spearman's rho of normal pairs that correlate by 0.7
    for _ in range(trials):
        pairs = generator.multivariate_normal([0, 0], [[1, 0.7], [0.7, 1]], 40)
        rho = rank_correlation(*(torch.from_numpy(column.copy()) for column in pairs.T))
        low, high = spearman_interval(rho, 40)
        covered += low <= truth <= high
    assert 0.93 <= covered / trials <= 0.97  # standard error 0.0069
