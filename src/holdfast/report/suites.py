"""Reads rates and differences out of a SUITE of report.json, by measure."""

from collections.abc import Mapping, Sequence
from typing import Any

from holdfast.differences import Difference, paired_difference, rate_difference
from holdfast.outcomes import Rate
from holdfast.report.schema import rate_from

Report = Mapping[str, Any]


def rate_of(suite: Report, measure: str) -> Rate | None:
    """A measure, or a group such as 'asr/heldout'; None where it is not there. Its value may still be None."""
    field = "perplexity_rate" if measure == "perplexity" else measure
    record = suite.get("groups", {}).get(measure) if "/" in measure else suite.get(field)
    return rate_from(record) if record else None


def difference_of(before: Report, after: Report, measure: str, other: str | None = None) -> Difference | None:
    """The measure after minus before: on the same prompts where they were paired, else from the two intervals.

    Args:
        before: the SUITE to start from.
        after: the SUITE that is compared with it, which holds the pairs.
        measure: what is compared.
        other: the arm that `before` is; None where it is the start of the section.
    """
    pairs = after.get("paired", {}) if other is None else after.get("against", {}).get(other, {})
    if pair := pairs.get(measure):
        return paired_difference(pair["n"], pair["only_before"], pair["only_after"])
    first, second = rate_of(before, measure), rate_of(after, measure)
    return rate_difference(first, second) if first and second else None


def suite_at(report: Report, path: Sequence[str]) -> Report:
    """The SUITE at a place of the report; empty where there is none."""
    found = report
    for key in path:
        found = found.get(key) or {}
    return found
