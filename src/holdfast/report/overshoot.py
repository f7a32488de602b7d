"""Says what to do where a change did more than it should: it refuses more safe prompts, or shortens all responses."""

from holdfast.measure_names import is_category
from holdfast.outcomes import Rate
from holdfast.report.comparison import ComparedMeasure, Comparison

OVER_REFUSAL = ("over_refusal", "borderline")
"""Beginnings of the names of measures that count refusals of safe prompts."""
MORE_BORDERLINE = (
    "The new model refuses more safe prompts. If training caused it, train again with more borderline prompts and "
    "helpful responses to them, at a lower learning rate or for fewer steps. `holdfast enhance` also takes a larger "
    "`--harmless-share`."
)
SAFE_LENGTHS = {"response_length": "harmless", "response_length/borderline": "borderline"}
SHRUNK = 0.5
"""Largest share of its length before at which a mean response counts as much shorter."""


def counts_over_refusal(measure: str) -> bool:
    """True for a measure of refused safe prompts. Its prompts are safe by definition."""
    return measure.partition("/")[0] in OVER_REFUSAL


def overshoot_steps(result: Comparison) -> list[str]:
    """Lists what to do about refused safe prompts and about much shorter responses. Empty for logs."""
    if result.logs:
        return []
    return [*([MORE_BORDERLINE] if _refuses_more(result) else []), *_shortened(result)]


def _refuses_more(result: Comparison) -> bool:
    """True if a condition on over-refusal failed, or if over-refusal is shown to have risen."""
    failed = any(one.outcome == "fails" and counts_over_refusal(one.measure) for one in result.conditions)
    return failed or any(
        measure.change is not None and measure.change.low > 0
        for name, measure in result.measures.items()
        if counts_over_refusal(name) and not is_category(name)
    )


def _shortened(result: Comparison) -> list[str]:
    """Names one set of safe prompts to which responses became much shorter. Empty where there is none."""
    for name, prompts in SAFE_LENGTHS.items():
        if ends := _shrunk(result.measures.get(name)):
            return [
                f"The mean response to {prompts} prompts fell from {ends[0]:.0f} to {ends[1]:.0f} tokens. A model "
                "learns the length of the responses that it trains on, so train on longer ones."
            ]
    return []


def _shrunk(measure: ComparedMeasure | None) -> tuple[float, float] | None:
    """Returns the mean lengths before and after if the second is shown to be much smaller. Else None."""
    if measure is None or measure.lengths is None or measure.lengths.high >= 0:
        return None
    if not isinstance(measure.before, Rate) or not isinstance(measure.after, Rate):
        return None
    before, after = measure.before.value, measure.after.value
    return (before, after) if before and after is not None and after <= SHRUNK * before else None
