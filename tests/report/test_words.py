"""Measures in words, and rates with the digits that their interval supports."""

import pytest

from holdfast.outcomes import Rate
from holdfast.report.words import ordered, rate_words


@pytest.mark.parametrize(
    ("rate", "words"),
    [
        (Rate(0.1234, 0.0812, 0.1719, 200), "0.12 [0.08, 0.17] n=200"),
        (Rate(0.12345, 0.1211, 0.1259, 90000), "0.123 [0.121, 0.126] n=90000"),
        (Rate(3.21e-5, 2.2e-5, 4.2e-5, 64), "0.000032 [0.000022, 0.000042] n=64"),
        (Rate(1.0, None, None, 3, 1), "1.00 [no interval] n=3 (1 unscored)"),
        (Rate(None, None, None, 0), "not measured n=0"),
        (Rate(0.5, 0.5, 0.5, 9), "0.50 [0.50, 0.50] n=9"),
    ],
)
def test_a_rate_has_the_digits_that_its_interval_supports(rate, words):
    assert rate_words(rate) == words


def test_measures_have_one_order_whatever_the_file_has():
    rate = Rate(0.5, 0.4, 0.6, 90)
    names = ["utility", "refusal/harmful", "cut_off/all", "not_refused", "borderline", "over_refusal"]
    for given in (names, names[::-1], sorted(names)):
        found = [name for name, _ in ordered(dict.fromkeys(given, rate))]
        assert found == ["refusal/harmful", "over_refusal", "borderline", "not_refused", "utility", "cut_off/all"]
