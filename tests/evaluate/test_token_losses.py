import math

import numpy as np
import pytest
from scipy.stats import t, ttest_rel

from holdfast.evaluate.token_losses import LARGEST, from_one, perplexity_rate, perplexity_ratio
from holdfast.outcomes import Rate, TokenLosses


def losses_of(pairs):
    return [TokenLosses(str(place), loss, tokens) for place, (loss, tokens) in enumerate(pairs)]


def test_exchanges_of_equal_length_have_the_interval_of_their_means():
    # Then L is the mean of the means, and the delta method is the ordinary t interval.
    means = [0.5, 0.9, 1.4, 1.0]
    found = perplexity_rate(losses_of([(10 * mean, 10) for mean in means]))
    half = t.ppf(0.975, 3) * np.std(means, ddof=1) / 2
    assert (found.value, found.n) == (pytest.approx(math.exp(0.95)), 4)
    assert (found.low, found.high) == pytest.approx((math.exp(0.95 - half), math.exp(0.95 + half)))


def test_exchanges_of_unlike_length_have_the_worked_interval():
    # L = 6 / 6 = 1; e = 1 - 2, 5 - 4 = -1, 1; v = 2 / 1 * 2 / 36 = 1 / 9; t = 12.7062 with one degree of freedom.
    found = perplexity_rate(losses_of([(1.0, 2), (5.0, 4)]))
    assert found.high == pytest.approx(math.exp(1 + 12.7062 / 3), rel=1e-4)


def test_no_interval_of_a_perplexity_reaches_below_one_and_that_of_a_ratio_may():
    before, after = losses_of([(1.0, 2), (5.0, 4)]), losses_of([(1.1, 2), (4.8, 4)])
    assert perplexity_rate(before).low == 1.0  # exp(1 - 12.7062 / 3) = 0.039
    assert perplexity_ratio(before, after).low < 1
    rounded = from_one(Rate(1 - 1e-12, 0.9, 1.1, 4))
    assert rounded.low == rounded.value, "and a loss that rounding made negative stays inside its interval"


@pytest.mark.parametrize("pairs", [[], [(0.0, 0)], [(math.nan, 3)], [(math.inf, 3), (1.0, 1)]])
def test_without_a_token_or_a_finite_value_there_is_no_perplexity(pairs):
    assert perplexity_rate(losses_of(pairs)) is None


@pytest.mark.parametrize("loss", [3000.0, 1e6, 1e308])
def test_a_perplexity_beyond_all_bounds_is_a_number_so_that_a_gate_fails(loss):
    broken = losses_of([(loss, 3), (1.0, 1)])
    found = perplexity_rate(broken)
    assert found.value == found.high == LARGEST
    ratio = perplexity_ratio(losses_of([(1.0, 3), (1.0, 1)]), broken)
    assert ratio.value == ratio.high == LARGEST
    assert math.isfinite(ratio.low)


def test_one_exchange_has_no_interval_and_an_empty_response_counts_in_none():
    assert perplexity_rate(losses_of([(2.0, 2), (0.0, 0)])) == Rate(math.e, None, None, 1)


def test_the_interval_covers_the_perplexity_of_other_exchanges():
    # Each exchange has its own surprise and 5 to 40 tokens that share it: tokens of one exchange are not independent.
    generator, covered, trials = np.random.default_rng(0), 0, 1500
    for _ in range(trials):
        tokens = generator.integers(5, 41, 30)
        own = generator.normal(1.0, 0.4, 30)
        found = perplexity_rate(losses_of(zip((own * tokens).tolist(), tokens.tolist(), strict=True)))
        covered += found.low <= math.e <= found.high
    # Standard error 0.0056. Taken for independent, the tokens would give an interval a quarter as wide.
    assert 0.93 <= covered / trials <= 0.97


def test_the_ratio_is_paired_by_exchange():
    before = [(5.0, 10), (9.0, 10), (14.0, 10), (10.0, 10)]
    after = [(loss + rise, size) for (loss, size), rise in zip(before, (0.9, 1.0, 1.2, 1.1), strict=True)]
    found = perplexity_ratio(losses_of(before), losses_of(after))
    means = [[loss / size for loss, size in one] for one in (before, after)]
    assert found.value == pytest.approx(math.exp(0.105))
    assert found.p_value == pytest.approx(ttest_rel(means[1], means[0]).pvalue, rel=1e-6)
    half = t.ppf(0.975, 3) * np.std([0.09, 0.10, 0.12, 0.11], ddof=1) / 2
    assert (found.low, found.high) == pytest.approx((math.exp(0.105 - half), math.exp(0.105 + half)))
    alone = perplexity_rate(losses_of(before))
    assert found.high - found.low < (alone.high - alone.low) / 10, "what exchanges have in common cancels"


def test_a_model_beside_itself_has_not_changed():
    one = losses_of([(1.0, 2), (5.0, 4)])
    found = perplexity_ratio(one, one)
    assert (found.value, found.low, found.high, found.p_value) == (1.0, 1.0, 1.0, 1.0)


def test_a_change_that_is_the_same_everywhere_is_no_chance():
    found = perplexity_ratio(losses_of([(1.0, 2), (5.0, 4)]), losses_of([(2.0, 2), (7.0, 4)]))
    assert (found.value, found.p_value) == (pytest.approx(math.exp(0.5)), 0.0)


@pytest.mark.parametrize("other", [[(1.0, 2)], [(1.0, 2), (5.0, 5)], []])
def test_other_exchanges_or_tokens_are_not_paired(other):
    assert perplexity_ratio(losses_of([(1.0, 2), (5.0, 4)]), losses_of(other)) is None
