import pytest
import torch

from holdfast.select import blocks
from holdfast.select.distribution import distribution
from holdfast.select.top import TopOptions, select_top
from holdfast.values import Mask, Scores
from tests.select.given import make_scores


def nothing(scores):
    return Mask({}, scores.shapes, scores.base, scores.num_parameters)


def test_every_entry_is_in_one_bin_or_among_the_zeros():
    scores = make_scores([[0.0, -0.0, 1e-45, 0.02], [0.03, 1.0, 3.4e38]])
    found = distribution(scores, nothing(scores))
    assert found.zeros == 2
    assert sum(found.counts) == 5
    assert len(found.bin_edges) == len(found.counts) + 1
    assert found.bin_edges[0] <= 1e-45
    assert found.bin_edges[-1] >= 3.4e38


@pytest.mark.parametrize("decades", [-5, -3, 0, 2])
def test_a_score_at_an_edge_opens_its_bin_and_one_just_below_closes_the_bin_before(decades):
    exact = torch.tensor([10.0**decades])
    at = torch.nextafter(exact, torch.tensor(1e9)) if float(exact[0]) < 10.0**decades else exact
    below = torch.nextafter(at, torch.tensor(0.0))
    scores = Scores({"weight": torch.cat([below, at, at])}, "unit", "base", 3)
    found = distribution(scores, nothing(scores))
    assert found.counts == (1, 2)
    assert found.bin_edges[1] == pytest.approx(10.0**decades, rel=1e-12)  # a power in float64


def test_scores_of_all_sizes_are_in_the_bins_of_their_logarithms():
    generator = torch.Generator().manual_seed(0)
    spread = 10 ** (84 * torch.rand(20_000, generator=generator, dtype=torch.float64) - 45.5)
    edges = torch.tensor([10.0 ** (place / 4) for place in range(-150, 150)])
    entries = torch.cat(
        [spread.float(), edges, edges.nextafter(torch.tensor(0.0)), edges.nextafter(torch.tensor(1e38))]
    )
    scores = Scores({"weight": entries}, "unit", "base", len(entries))
    found = distribution(scores, nothing(scores))
    sizes = (4 * entries[entries > 0].double().log10()).floor().long()
    assert found.bin_edges[0] == pytest.approx(10.0 ** (float(sizes.min()) / 4))
    assert found.counts == tuple(torch.bincount(sizes - sizes.min()).tolist())
    assert found.zeros == int((entries == 0).sum()) > 0


def test_bins_that_hold_nothing_between_others_are_kept():
    scores = make_scores([[1e-6, 1e-4]])
    counts = distribution(scores, nothing(scores)).counts
    assert (counts[0], counts[-1], sum(counts)) == (1, 1, 2)
    assert len(counts) == 9 or len(counts) == 10  # two decades of four; float32 1e-6 is a hair below its edge


def test_counting_in_blocks_changes_nothing(monkeypatch):
    scores = make_scores([torch.rand(1000, generator=torch.Generator().manual_seed(0)).tolist()])
    whole = distribution(scores, nothing(scores))
    monkeypatch.setattr("holdfast.select.distribution.BLOCK", 7)
    assert distribution(scores, nothing(scores)) == whole
    assert blocks.BLOCK > 1000


def test_the_cut_is_the_smallest_selected_score():
    scores = make_scores([[0.5, 0.1, 0.4], [0.3, 0.2, 0.6]])
    mask = select_top(scores, TopOptions(fraction=0.5))
    assert distribution(scores, mask).cut == pytest.approx(0.4)  # float32


def test_scores_that_are_all_zero_have_no_bins_and_an_empty_mask_no_cut():
    scores = make_scores([[0.0, 0.0]])
    found = distribution(scores, nothing(scores))
    assert (found.bin_edges, found.counts, found.zeros, found.cut) == ((), (), 2, None)
