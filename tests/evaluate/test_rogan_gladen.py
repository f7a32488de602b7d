"""Rates corrected for a judge's known errors: the estimate by hand, the interval by simulation."""

import numpy as np
import pytest

from holdfast.evaluate.rogan_gladen import adjusted_gain, correct, effective_n, ends
from holdfast.evaluate.statistics import clustered_rate, wilson_interval
from holdfast.outcomes import Outcome, Rate

PREVALENCES = (0.02, 0.1, 0.3, 0.5, 0.8)
ERRORS = ((0.95, 0.98), (0.9, 0.9), (0.8, 0.95), (0.7, 0.8))
"""Sensitivity and specificity of a judge."""
LABELLED = (50, 100, 400)
"""Labelled responses of each class."""
EVALUATED = (50, 200, 1000)
DRAWS = 4000


def share(count: int, n: int) -> Rate:
    return Rate(count / n, *wilson_interval(count / n, n), n)


def test_the_corrected_rate_is_the_one_worked_out_by_hand():
    # (0.30 + 0.90 - 1) / (0.80 + 0.90 - 1) = 0.2 / 0.7
    corrected = correct(share(60, 200), share(80, 100), share(90, 100))
    assert corrected.value == pytest.approx(0.2 / 0.7)
    assert (corrected.n, corrected.unscored) == (200, 0)
    # p = 61.9207 / 203.8415, se = 81 / 102, sp = 91 / 102, so the gain is 0.68627 and the adjusted rate 0.28549;
    # shift = 2 z^2 (0.28549 * 0.0016029 - 0.71451 * 0.00094327) = -0.00166; z sqrt(v) = 1.96 sqrt(0.0035028) = 0.1160
    assert corrected.low == pytest.approx(0.16783, abs=2e-5)
    assert corrected.high == pytest.approx(0.39983, abs=2e-5)


def test_a_judge_without_errors_on_many_labels_changes_next_to_nothing():
    measured = share(60, 200)
    corrected = correct(measured, share(10**7, 10**7), share(10**7, 10**7))
    assert corrected.value == pytest.approx(measured.value)
    assert (corrected.low, corrected.high) == pytest.approx((measured.low, measured.high), abs=0.003)  # Wald at p'


def test_a_rate_below_the_false_positives_is_clipped_to_zero():
    corrected = correct(share(15, 100), share(45, 50), share(40, 50))
    assert (corrected.value, corrected.low) == (0.0, 0.0)
    assert 0 < corrected.high < 0.2


@pytest.mark.parametrize(
    ("measured", "words"),
    [(share(1, 100), "the measured 0.01 is below the 0.20"), (share(199, 200), "the measured 0.99 is above the 0.90")],
)
def test_a_rate_that_the_judges_errors_cannot_explain_is_undefined(measured, words):
    with pytest.raises(ValueError, match=words):
        correct(measured, share(180, 200), share(160, 200))


@pytest.mark.parametrize(
    ("found", "left", "why"),
    [
        (share(10, 50), share(40, 50), "sensitivity 0.20 and specificity 0.80 add up to no more than 1"),
        (share(0, 50), share(49, 50), "sensitivity 0.00 and specificity 0.98 add up to no more than 1"),
        (Rate(None, None, None, 0), share(40, 50), "the labels lack a class"),
    ],
)
def test_a_judge_no_better_than_chance_gives_no_corrected_rate(found, left, why):
    with pytest.raises(ValueError, match=why):
        correct(share(5, 100), found, left)


def test_a_rate_that_was_not_measured_is_not_corrected():
    with pytest.raises(ValueError, match="the rate was not measured"):
        correct(Rate(None, None, None, 0, 3), share(45, 50), share(40, 50))


@pytest.mark.parametrize(("count", "n"), [(0, 7), (7, 7), (30, 200), (100, 200), (1, 3)])
def test_one_response_per_prompt_counts_as_one_outcome(count, n):
    assert effective_n(share(count, n)) == pytest.approx(n)


def test_samples_of_one_prompt_that_agree_count_once():
    samples = [[Outcome("refused" if place % 3 else "complied")] * 5 for place in range(60)]
    rate = clustered_rate(samples, "refused")
    assert rate.n == 300
    assert effective_n(rate) == pytest.approx(60, rel=0.1)  # the bootstrap's variance has an error of its own


def coverage() -> dict[tuple[float, tuple[float, float], int, int], float]:
    """Share of simulated evaluations and cards whose interval holds the true rate, by setting."""
    generator = np.random.default_rng(0)
    covered = {}
    for prevalence in PREVALENCES:
        for errors in ERRORS:
            for labelled in LABELLED:
                for evaluated in EVALUATED:
                    se, sp = errors
                    counted = prevalence * se + (1 - prevalence) * (1 - sp)
                    share_counted = generator.binomial(evaluated, counted, DRAWS) / evaluated
                    found = generator.binomial(labelled, se, DRAWS) / labelled
                    left = generator.binomial(labelled, sp, DRAWS) / labelled
                    sizes = [np.full(DRAWS, float(size)) for size in (evaluated, labelled, labelled)]
                    low, high = ends(share_counted, sizes[0], found, sizes[1], left, sizes[2])
                    held = (np.clip(low, 0, 1) <= prevalence) & (prevalence <= np.clip(high, 0, 1))
                    covered[prevalence, errors, labelled, evaluated] = float(held[found + left > 1].mean())
    return covered


def test_the_interval_covers_the_truth_in_93_to_97_percent_of_simulated_cases():
    covered = coverage()
    assert len(covered) == 180
    assert 0.93 < np.mean(list(covered.values())) < 0.97
    # The standard error of one setting's coverage is at most 0.004 with 4000 draws.
    assert min(covered.values()) > 0.93
    inner = {
        setting: share
        for setting, share in covered.items()
        if 0.3 <= setting[0] <= 0.8 and setting[2] >= 100  # enough errors among the labels, away from the clipped ends
    }
    assert len(inner) == 72
    assert all(0.93 < share < 0.97 for share in inner.values()), inner


def test_the_simulation_would_find_an_interval_that_ignores_the_cards_errors():
    generator = np.random.default_rng(0)
    measured = generator.binomial(1000, 0.3 * 0.9 + 0.7 * 0.1, DRAWS) / 1000
    found, left = (generator.binomial(50, 0.9, DRAWS) / 50 for _ in range(2))
    many = np.full(DRAWS, 1e9)
    low, high = ends(measured, np.full(DRAWS, 1000.0), found, many, left, many)
    assert ((low <= 0.3) & (high >= 0.3)).mean() < 0.8


def test_the_gain_of_few_labels_is_smaller_than_the_measured_one():
    assert adjusted_gain(1.0, 2, 1.0, 2) == pytest.approx(0.5)  # 3/4 + 3/4 - 1
