"""The figures of the benchmark of noise, from values worked out by hand."""

import pytest

from benchmarks import noise


def test_the_gap_is_told_against_the_mean_and_both_ends_of_random():
    mean, least, most, below = noise.gap([0.2, 0.4], [0.9, 0.6, 0.3])
    assert (mean, least, most) == pytest.approx((0.3 - 0.6, 0.3 - 0.9, 0.0))
    assert below == 1, "a random mask that loses exactly as much counts"


def test_a_spread_has_mean_and_range_and_nothing_is_never_zero():
    assert noise.spread([0.25, None, 0.75]) == "0.500 [0.250, 0.750]"
    assert noise.spread([0.25]) == "0.250"
    assert noise.spread([None, None]) == ""


def test_random_masks_differ_and_selected_masks_get_several_draws():
    assert noise.draws_of("random") == [(number, [number]) for number in range(10)]
    assert noise.draws_of("top") == [(0, [0, 1, 2])]
    assert noise.draws_of("bottom") == [(0, [0])]


def test_a_correlation_that_cannot_be_measured_has_an_empty_cell():
    rows = [
        {"method": "esi", "exchanges": "new", "rho": 0.5, "interval": (0.25, 0.7), "groups": 56},
        {"method": "gradient_magnitude", "exchanges": "new", "rho": None, "interval": None, "groups": 56},
    ]
    written = noise.prediction_table(rows).splitlines()[2:]
    assert written == ["| esi | new | 0.50 [0.25, 0.70] | 56 |", "| gradient magnitude | new |  | 56 |"]
