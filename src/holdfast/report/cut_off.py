"""Reports the share of answers that the limit of tokens cut off, which limits what the rates can say."""

from dataclasses import dataclass

from holdfast.models.options import LONG_ENOUGH
from holdfast.outcomes import Rate
from holdfast.report.arms import arms_of
from holdfast.report.records import Report
from holdfast.report.safety import safety_name

MEASURE = "cut_off/all"
LEAST_TO_MISSTATE = 0.01
"""Smallest share cut off, in the arm with most, over which a warning is raised."""
STAGES = {"enhance": "SET", "adapt": "SPA"}


@dataclass(frozen=True)
class CutOff:
    """Share of the answers that were cut off, with a sentence that explains it."""

    rows: tuple[tuple[str, Rate], ...]
    """Every arm with its share. Empty if no answer was cut off."""
    sentence: str
    misstates: bool = False
    """Tells whether the limit is so short that the rates may describe only the beginnings of answers."""


def cut_off_of(report: Report) -> CutOff | None:
    """Reports the share of each arm's answers that were cut off. None if there are no answers yet."""
    rows = tuple(
        (f"{STAGES[stage]}, {arm.label}", rate)
        for stage, arms in arms_of(report).items()
        for arm in arms
        if (rate := arm.rate(MEASURE)) and rate.value is not None
    )
    if not rows:
        return None
    if not any(rate.value for _, rate in rows):
        return CutOff((), f"No answer was cut off{_limit_words(report)}: n={sum(rate.n for _, rate in rows):,}.")
    limit = report.config.max_new_tokens
    most = max(rate.value or 0.0 for _, rate in rows)
    misstates = limit is not None and limit < LONG_ENOUGH and most >= LEAST_TO_MISSTATE
    return CutOff(rows, _sentence(report, [rate for _, rate in rows], misstates=misstates), misstates)


def _sentence(report: Report, rates: list[Rate], *, misstates: bool) -> str:
    shares = [rate.value or 0.0 for rate in rates]
    if max(shares) < LEAST_TO_MISSTATE:
        return f"Less than {LEAST_TO_MISSTATE} of the answers of every arm were cut off{_limit_words(report)}."
    least, most = (f"{of(shares):.2f}" for of in (min, max))
    share = most if least == most else f"Between {least} and {most}"
    arms = f"{share} of the answers of an arm were cut off{_limit_words(report)}."
    if not misstates:
        return arms
    return (
        f"{arms} The missing text could turn a refusal into help, or help into a refusal, so {safety_name(report)} may "
        f"be misstated: run again with generate.max_new_tokens = {LONG_ENOUGH} or more."
    )


def _limit_words(report: Report) -> str:
    limit = report.config.max_new_tokens
    return "" if limit is None else f" by the limit of {limit:,} tokens"
