"""Ratios of perplexities have as many digits as their interval needs."""

import math

import pytest

from holdfast.outcomes import Rate
from holdfast.perplexity_texts import perplexity_between, ratio_between, ratio_with_ends


@pytest.mark.parametrize(
    ("ratio", "shown"),
    [
        ((1.026, 1.01, 1.042), ("1.026", "1.010", "1.042")),
        ((0.9996, 0.9992, 1.00003), ("0.99960", "0.99920", "1.00003")),  # a width of 0.00083 shows as 83 of 0.00001
        ((1.0, 1.0, 1.0), ("1.000", "1.000", "1.000")),
        ((1.0, 0.999999999, 1.000000001), ("1.000000", "1.000000", "1.000000")),
        ((2.0, 1.0, math.inf), ("2.000", "1.000", "inf")),
    ],
)
def test_the_width_of_the_interval_shows_with_two_digits(ratio, shown):
    assert ratio_between(*ratio) == shown


def test_a_ratio_with_ends_names_its_n():
    assert ratio_with_ends(Rate(0.9996, 0.9992, 1.00003, 24)) == "0.99960 [0.99920, 1.00003] n=24"


@pytest.mark.parametrize(
    ("perplexity", "shown"),
    [
        ((1.0764, 1.0, 1.172), ("1.076", "1.000", "1.172")),
        ((53.8, 19.4, 150.2), ("53.8", "19.4", "150.2")),
        ((1.00034, 1.00021, 1.00051), ("1.000340", "1.000210", "1.000510")),
        ((3.0, 3.0, 3.0), ("3.00", "3.00", "3.00")),
        ((53.8, 1.0, 4634.2), ("53.8", "1.00", "4634")),
        ((2.3e9, 1.2e6, 4.5e12), ("2.3e+09", "1.2e+06", "4.5e+12")),
    ],
)
def test_a_perplexity_has_as_many_decimals_as_its_ends(perplexity, shown):
    assert perplexity_between(*perplexity) == shown
