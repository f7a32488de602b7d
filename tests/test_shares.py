import pytest

from holdfast.shares import share_words


@pytest.mark.parametrize(
    ("part", "whole", "words"),
    [
        (0, 10, "0%"),
        (0, 0, "0%"),
        (10, 10, "100%"),
        (9_999, 10_000, "more than 99.9%"),
        (999, 1000, "99.9%"),
        (1, 10**9, "less than 0.001%"),
        (5, 10**6, "0.001%"),  # 0.0005%, rounded up
        (1, 10_000, "0.010%"),
        (1061683, 106168300, "1.00%"),
        (99_949, 10_000_000, "0.999%"),
        (99_951, 10_000_000, "1.00%"),
        (3_200, 318_400, "1.01%"),
        (176, 1000, "17.6%"),
        (9_996, 100_000, "10.0%"),
    ],
)
def test_a_share_has_three_digits_and_never_hides_what_is_there_or_missing(part, whole, words):
    assert share_words(part, whole) == words
