import pytest

from holdfast.report.axes import change_axis, perplexity_axis, rate_axis, ratio_axis


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
        ((2.0, 3.0, 5.0), (1.0, 2.0, 5.0)),
        ((3.1, 1e6), (1.0, 1e3, 1e6)),
        ((400.0, 4000.0), (200.0, 1000.0, 5000.0)),
        ((3.0,), (1.0, 2.0, 3.0)),
    ],
)
def test_an_axis_of_perplexity_begins_at_1_where_that_hides_nothing(numbers, ticks):
    axis = perplexity_axis(numbers)
    assert axis.ticks == pytest.approx(ticks)
    assert axis.words.startswith("logarithmic axis from ")
    assert all(0 <= axis.share(number) <= 1 for number in numbers)


def test_equal_ratios_of_perplexities_are_equal_distances():
    axis = perplexity_axis([1.0, 1000.0])
    assert [axis.share(number) for number in (1.0, 10.0, 100.0, 1000.0)] == pytest.approx([0, 1 / 3, 2 / 3, 1])
    close = perplexity_axis([3.0, 5.0])
    assert close.share((3.0 * 5.0) ** 0.5) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("numbers", "ticks"),
    [
        ((1.02, 1.05), (1.0, 1.05)),
        ((1.0, 1.0), (0.99, 1.0, 1.01)),
        ((0.5, 20.0), (0.5, 2.0, 20.0)),
        ((0.0, 1.0), (1e-6, 1e-3, 1.0)),
        ((1.0, 3e6), (1.0, 1e4, 1e7)),
    ],
)
def test_an_axis_of_ratios_always_shows_no_change(numbers, ticks):
    axis = ratio_axis(numbers)
    assert axis.ticks == pytest.approx(ticks)
    assert all(0 <= axis.share(number) <= 1 for number in (1.0, *numbers))


@pytest.mark.parametrize(
    ("numbers", "base"), [((-0.3, -0.1), 0.0), ((0.2, 0.4), 0.0), ((1.2, 1.4), 1.0), ((0.0,), 0.0)]
)
def test_an_axis_of_changes_includes_no_change_and_every_number(numbers, base):
    axis = change_axis(numbers, base=base)
    assert axis.first <= min(base, *numbers) <= max(base, *numbers) <= axis.last
    assert base in axis.ticks
