"""Lists the stages, arms and measures that a run's config leaves out, as opposed to those not measured yet."""

from collections.abc import Collection, Sequence

from holdfast.arms import ARMS, STARTS
from holdfast.measure_names import PROMPT_SETS
from holdfast.report.records import Report

LEFT_OUT = "left out"
WAITING = "not measured yet"
SET_OF = {**PROMPT_SETS, "over_refusal/questions": "questions"}
"""Prompt set of each measure that a claim is about."""
ARM_AT = {row.path: row for row in ARMS}
"""Arms by their path in the report."""
STAGES = {
    "verify": "noise on the selected weights",
    "enhance": "tuning only the selected weights (SET)",
    "adapt": "holding the selected weights fast (SPA)",
}


def left_out_words(stages: Collection[str]) -> str | None:
    """Writes one sentence that replaces the sections of the left-out stages. None if all stages are part of the run."""
    names = [words for stage, words in STAGES.items() if stage in stages]
    listed = " and ".join(filter(None, (", ".join(names[:-1]), names[-1] if names else "")))
    return f"Not part of this run, as its config leaves it out: {listed}." if names else None


def uses_safety_only(report: Report) -> bool:
    """Tells whether a stage of the run uses the safety-only selection. Without a config the answer is yes."""
    config = report.config
    rows = [row for row in ARMS if row.needs_utility and row.stage in STARTS if row.stage not in config.stages_left_out]
    asked = any(row.name in config.arms.get(row.stage, (row.name,)) for row in rows)
    return asked or "verify" not in config.stages_left_out


def what_is_left_out(report: Report, measure: str, *paths: Sequence[str]) -> list[str]:
    """Lists which of these arms and of this measure the run's config leaves out, by their names in the config."""
    config, names = report.config, []
    for stage, *place in paths:
        asked = config.arms.get(stage)
        row = ARM_AT.get((stage, *place))
        arm = row.name if row else place[-1]
        if asked is not None and arm not in (*asked, *STARTS.values()):
            names.append(f"{stage}_arms {arm}")
        if row and row.needs_utility and not config.has_utility:
            names.append("calibration.utility")
    if config.prompt_sets is not None and SET_OF[measure] not in config.prompt_sets:
        names.append(f"suite.{SET_OF[measure]}")
    return names
