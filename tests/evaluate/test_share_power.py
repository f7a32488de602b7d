"""The power of the test of an absolute level is that of SciPy's binomial test."""

import pytest
from scipy.stats import binom, binomtest

from holdfast.evaluate.share_power import chance_above, prompts_needed, smallest_share


def by_scipy(n, bar, share, level):
    counts = [k for k in range(n + 1) if binomtest(k, n, bar, "greater").pvalue <= level]
    return sum(binom.pmf(k, n, share) for k in counts)


@pytest.mark.parametrize(
    ("n", "bar", "share", "level"), [(100, 0.5, 0.6, 0.05), (60, 0.02, 0.1, 0.025), (3, 0.5, 0.9, 0.05)]
)
def test_the_chance_to_find_a_share_is_that_of_the_binomial_test(n, bar, share, level):
    assert chance_above(n, bar, share, level) == pytest.approx(by_scipy(n, bar, share, level), abs=1e-9)


def test_so_many_responses_find_the_share_and_many_fewer_do_not():
    needed = prompts_needed(0.5, 0.6)
    assert by_scipy(needed, 0.5, 0.6, 0.05) >= 0.8 > by_scipy(int(0.8 * needed), 0.5, 0.6, 0.05)
    assert prompts_needed(0.5, 0.5) is None, "a share at the bar is never found above it"
    assert prompts_needed(0.5, 0.50001) is None, "more than a million"


def test_the_smallest_share_that_is_found_is_found_and_one_below_is_not():
    smallest = smallest_share(100, 0.05)
    assert chance_above(100, 0.05, smallest) >= 0.8 > chance_above(100, 0.05, smallest - 0.001)
    assert smallest_share(2, 0.5) is None, "two of two have p = 0.25"
