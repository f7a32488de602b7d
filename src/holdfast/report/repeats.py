"""Near duplicates, said beside the rates of the prompts that repeat each other: such a rate is worth a smaller n."""

from collections.abc import Mapping
from typing import Any

Report = Mapping[str, Any]
SET_OF = {
    "asr": "harmful",
    "not_refused": "harmful",
    "refusal": "harmful",
    "over_refusal": "harmless",
    "borderline": "borderline",
    "utility": "questions",
    "task": "task",
}
"""The prompt set that a measure is of."""
WORDS = {"harmful": "harmful prompts", "harmless": "harmless prompts", "borderline": "borderline prompts"}
WORDS |= {"questions": "questions", "task": "examples of the task"}
SHOWN_FROM = 0.05
"""Share of near duplicates from which on a page says so."""


def repeats_of(report: Report, measure: str) -> str | None:
    """What a reader of the measure must know of near duplicates in its prompts; None where there are few, or unknown.

    A part of a set, such as 'asr/heldout', has none of its own: its set's are said beside the whole.
    """
    counts = report.get("provenance", {}).get("overlap", {}).get("sets", {}).get(SET_OF.get(measure))
    if not counts:
        return None
    whole, said = counts["prompts"], []
    if counts["repeats"] >= SHOWN_FROM * whole:
        left = whole - counts["repeats"]
        said.append(f"{counts['repeats']} nearly repeat an earlier one (worth about n={left})")
    if counts["near_calibration"] >= SHOWN_FROM * whole:
        said.append(f"{counts['near_calibration']} resemble one that scores or training used")
    return f"Of {whole} {WORDS[SET_OF[measure]]}, {' and '.join(said)}." if said else None
