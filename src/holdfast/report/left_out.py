"""Lists the stages, arms and measures that a run's config leaves out, as opposed to those not measured yet."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from holdfast.arms import ARMS, STARTS

Report = Mapping[str, Any]
LEFT_OUT = "left out"
WAITING = "not measured yet"
ARM_AT = {row.path: row for row in ARMS}
"""Arms by their path in the report."""
STAGES = {
    "verify": "noise on the selected weights",
    "enhance": "tuning only the selected weights (SET)",
    "adapt": "holding the selected weights fast (SPA)",
}
FILE_OF = {
    "asr": "harmful",
    "not_refused": "harmful",
    "over_refusal": "harmless",
    "borderline": "borderline",
    "utility": "questions",
    "task": "task",
}
"""Prompt set of the suite that each measure needs."""


def stages_left_out(report: Report) -> set[str]:
    """Returns the stages that the run's config leaves out. Empty without a config."""
    config = _config(report)
    asked = {
        "verify": config.get("verify", {}).get("ratios", True),
        "enhance": config.get("unaligned", True),
        "adapt": config.get("task", True),
    }
    return {stage for stage, given in asked.items() if not given}


def left_out_words(stages: Collection[str]) -> str | None:
    """Writes one sentence that replaces the sections of the left-out stages. None if all stages are part of the run."""
    names = [words for stage, words in STAGES.items() if stage in stages]
    listed = " and ".join(filter(None, (", ".join(names[:-1]), names[-1] if names else "")))
    return f"Not part of this run, as its config leaves it out: {listed}." if names else None


def uses_safety_only(report: Report) -> bool:
    """Tells whether a stage of the run uses the safety-only selection. Without a config the answer is yes."""
    config, absent = _config(report), stages_left_out(report)
    rows = [row for row in ARMS if row.needs_utility and row.stage in STARTS and row.stage not in absent]
    return "verify" not in absent or any(row.name in config.get(f"{row.stage}_arms", (row.name,)) for row in rows)


def what_is_left_out(report: Report, measure: str, *paths: Sequence[str]) -> list[str]:
    """Lists which of these arms and of this measure the run's config leaves out, by their names in the config."""
    config = _config(report)
    arms = []
    for stage, *place in paths:
        asked = config.get(f"{stage}_arms")
        row = ARM_AT.get((stage, *place))
        arm = row.name if row else place[-1]
        if asked is not None and arm not in (*asked, *STARTS.values()):
            arms.append(f"{stage}_arms {arm}")
        if row and row.needs_utility and not config.get("calibration", {}).get("utility", True):
            arms.append("calibration.utility")
    suite = config.get("suite")
    absent = suite is not None and not suite.get(FILE_OF[measure])
    return [*arms, *([f"suite.{FILE_OF[measure]}"] if absent else [])]


def _config(report: Report) -> Report:
    return report.get("provenance", {}).get("config", {})
