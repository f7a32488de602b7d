"""Warns beside a rate that many of its prompts are near duplicates, so that the rate is worth a smaller n."""

from holdfast.measure_names import PROMPT_SETS
from holdfast.report.records import Report

SET_OF = {**PROMPT_SETS, "refusal": "harmful"}
"""Prompt set of each measure."""
WORDS = {"harmful": "harmful prompts", "harmless": "harmless prompts", "borderline": "borderline prompts"}
WORDS |= {"questions": "questions", "task": "examples of the task"}
SHOWN_FROM = 0.05
"""Share of near duplicates from which on a page mentions them."""


def repeats_of(report: Report, measure: str) -> str | None:
    """Writes a sentence on near duplicates among the prompts of a measure. None if there are few, or none were counted.

    A group such as 'asr/heldout' has no sentence of its own. That of its measure covers the whole set.
    """
    counts = report.repeats.get(SET_OF.get(measure, ""))
    if not counts:
        return None
    whole, warnings = counts.prompts, []
    if counts.repeats >= SHOWN_FROM * whole:
        warnings.append(f"{counts.repeats} nearly repeat an earlier one (worth about n={whole - counts.repeats})")
    if counts.near_calibration >= SHOWN_FROM * whole:
        warnings.append(f"{counts.near_calibration} resemble one that scores or training used")
    return f"Of {whole} {WORDS[SET_OF[measure]]}, {' and '.join(warnings)}." if warnings else None


def independent_share(report: Report, measure: str) -> float:
    """Returns the share of a measure's prompts that do not nearly repeat an earlier one. 1 where few do.

    Questions whose refusals count as over-refusal are those of utility.
    """
    name = "questions" if measure == "over_refusal/questions" else SET_OF.get(measure, "")
    counts = report.repeats.get(name)
    if not counts or counts.repeats < SHOWN_FROM * counts.prompts:
        return 1.0
    return (counts.prompts - counts.repeats) / counts.prompts
