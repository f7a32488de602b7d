"""Reads rates and differences of a measure out of a SUITE of report.json."""

from collections.abc import Mapping, Sequence
from typing import Any

from holdfast.differences import Difference, paired_difference, rate_difference
from holdfast.outcomes import Rate
from holdfast.report.schema import rate_from

Report = Mapping[str, Any]


def rate_of(suite: Report, measure: str) -> Rate | None:
    """Returns the rate of a measure, or of a group such as 'asr/heldout'. None if missing. Its value may be None."""
    field = "perplexity_rate" if measure == "perplexity" else measure
    record = suite.get("groups", {}).get(measure) if "/" in measure else suite.get(field)
    return rate_from(record) if record else None


def difference_of(before: Report, after: Report, measure: str, other: str | None = None) -> Difference | None:
    """Returns the measure after minus before: on the same prompts if they were paired, else from the two intervals.

    Args:
        before: the SUITE to start from.
        after: the SUITE to compare with it, which holds the paired counts.
        measure: name of the measure.
        other: name of the arm of `before`. None if that is the start of the section.
    """
    pairs = after.get("paired", {}) if other is None else after.get("against", {}).get(other, {})
    if pair := pairs.get(measure):
        return paired_difference(pair["n"], pair["only_before"], pair["only_after"])
    first, second = rate_of(before, measure), rate_of(after, measure)
    return rate_difference(first, second) if first and second else None


def length_change_of(suite: Report, group: str) -> Difference | None:
    """Returns the mean response length minus that of the start of the section, on the same prompts. None if missing."""
    record = suite.get("length_change", {}).get(group)
    return Difference(record["value"], record["low"], record["high"]) if record else None


def suite_at(report: Report, path: Sequence[str]) -> Report:
    """Returns the SUITE at a path of the report. Empty if there is none."""
    section = report
    for key in path:
        section = section.get(key) or {}
    return section
