"""Says in the verdict of a failed gate what happened, in place of how many conditions are met."""

from holdfast.counts import agreeing, counted
from holdfast.measure_names import measure_words
from holdfast.outcomes import Rate
from holdfast.report.comparison import CheckedCondition, Comparison
from holdfast.report.interval_figure import number_words
from holdfast.spelling import joined

MOST = 2
"""Number of failed conditions that a verdict tells. More are counted."""


def with_what_happened(result: Comparison, verdict: str) -> str:
    """Writes 'the gate failed: over-refusal rose from 0.00 to 0.62' for 'the gate failed: 1 of 2 conditions is met'."""
    met = [one for one in result.conditions if one.outcome == "fails"]
    told = [_happened(result, one) for one in met[:MOST]]
    if not met or None in told:
        return verdict
    more = [counted(len(met) - MOST, "more condition")] if len(met) > MOST else []
    happened = joined([*dict.fromkeys(filter(None, told)), *more], "and")
    count = f"{len(met)} of {len(result.conditions)} conditions {agreeing(len(met), 'is', 'are')} met"
    return verdict.replace(count, happened)


def _happened(result: Comparison, condition: CheckedCondition) -> str | None:
    """Says how the measure of a condition changed, or its value. None where the record has no numbers."""
    bounds = condition.bounds
    if bounds is None:
        return None
    name, _, part = measure_words(condition.measure).partition(", ")
    words = f"{name} ({part})" if part else name
    if bounds.scale == "change":
        ends = _ends(result, condition.measure)
        verb = "rose" if bounds.value > 0 else "fell"
        if ends and (ends[1] - ends[0]) * bounds.value > 0:
            return f"{words} {verb} from {ends[0]:.2f} to {ends[1]:.2f}"
        return f"{words} changed by {number_words('change', bounds.value)}"
    of_before = " that before" if bounds.scale == "times" else ""
    return f"{words} at {number_words(bounds.scale, bounds.value)}{of_before}"


def _ends(result: Comparison, measure: str) -> tuple[float, float] | None:
    """Returns the values before and after. None where one is not measured."""
    compared = result.measures.get(measure)
    readings = (compared.before, compared.after) if compared else (None, None)
    before, after = (one.value if isinstance(one, Rate) else one for one in readings)
    return None if before is None or after is None else (before, after)
