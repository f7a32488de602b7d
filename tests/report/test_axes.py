import pytest

from holdfast.report.axes import perplexity_axis, rate_axis


@pytest.mark.parametrize(
    ("numbers", "ticks", "words"),
    [
        ((0.0, 1.0), (0.0, 0.25, 0.5, 0.75, 1.0), ""),
        ((0.3, 0.95), (0.0, 0.25, 0.5, 0.75, 1.0), ""),
        ((0.95, 0.98, 1.0), (0.94, 0.96, 0.98, 1.0), "axis from 0.94 to 1, not from 0"),
        ((0.01, 0.04, 0.13), (0.0, 0.05, 0.1, 0.15), "axis from 0 to 0.15"),
        ((0.4, 0.5), (0.4, 0.45, 0.5), "axis from 0.4 to 0.5, not from 0"),
    ],
)
def test_an_axis_of_rates_spans_what_was_measured_and_says_so(numbers, ticks, words):
    axis = rate_axis(numbers)
    assert axis.ticks == pytest.approx(ticks)
    assert axis.words == words
    assert all(0 <= axis.share(number) <= 1 for number in numbers)


@pytest.mark.parametrize("number", [0.0, 0.5, 1.0])
def test_one_number_alone_is_not_blown_up(number):
    axis = rate_axis([number, number])
    assert 0 <= axis.first <= number <= axis.last <= 1
    assert axis.last - axis.first >= 0.02
    assert rate_axis([]).ticks


@pytest.mark.parametrize(
    ("numbers", "ticks"),
    [
        ((1.0002, 1.0003), (1.0002, 1.00025, 1.0003)),
        ((1.00001, 1.0003), (1.0, 1.0002, 1.0004)),
        ((3.1, 4.2), (3.0, 4.0, 5.0)),
        ((2.0, 3.0, 5.0), (1.0, 3.0, 5.0)),
        ((3.0,), (1.0, 2.0, 3.0)),
    ],
)
def test_an_axis_of_perplexity_begins_at_1_where_that_hides_nothing(numbers, ticks):
    assert perplexity_axis(numbers).ticks == pytest.approx(ticks)
