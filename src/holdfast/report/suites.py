"""Computes the difference of a measure between two results, and writes the perplexity of one."""

from holdfast.differences import Difference, paired_difference, rate_difference
from holdfast.outcomes import Rate
from holdfast.perplexity_texts import perplexity_with_ends
from holdfast.report.records import Pair, Suite


def difference_of(before: Suite, after: Suite, measure: str, other: str | None = None) -> Difference | None:
    """Returns the measure after minus before: on the same prompts if they were paired, else from the two intervals.

    Args:
        before: results to start from.
        after: results to compare with them, which hold the paired counts.
        measure: name of the measure.
        other: name of the arm of `before`. None if that is the start of the section.
    """
    if (found := both_of(before, after, measure, other)) is None:
        return None
    first, second, pair = found
    return paired_difference(pair.n, pair.only_before, pair.only_after) if pair else rate_difference(first, second)


def both_of(
    before: Suite, after: Suite, measure: str, other: str | None = None
) -> tuple[Rate, Rate, Pair | None] | None:
    """Returns both rates of a measure, with the paired counts if there are any. None if one rate is not measured."""
    first, second = before.rates.get(measure), after.rates.get(measure)
    if not first or first.value is None or not second or second.value is None:
        return None
    pairs = after.paired if other is None else after.against.get(other, {})
    return first, second, pairs.get(measure)


def perplexity_of(suite: Suite) -> str:
    """Writes the perplexity with its interval. Empty if it was not measured."""
    return "" if suite.perplexity is None else perplexity_with_ends(suite.perplexity, suite.rates.get("perplexity"))
