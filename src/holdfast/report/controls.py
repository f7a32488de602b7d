"""Writes what the arms of SET and SPA do, for those arms alone that are part of the run."""

from collections.abc import Sequence

from holdfast.arms import STARTS, Stage, arms_of
from holdfast.report.records import Report

OTHER_WEIGHTS = "other weights with the same data and steps"
CONTROLS = {
    "safety_only": OTHER_WEIGHTS,
    "random": OTHER_WEIGHTS,
    "bottom": OTHER_WEIGHTS,
    "full": OTHER_WEIGHTS,
    "refusals_alone": "the selected weights on refusals alone, without harmless exchanges",
}
"""What each control of SET tunes."""
HOLDS = {
    "plain": "without a hold",
    "protected": "with the selected entries held at their values",
    "safety_only": "with the safety-only entries held",
    "random_protected": "with as many random entries held",
}
"""How each arm of SPA is tuned."""


def controls_of_set(report: Report) -> str:
    """Writes what the controls of SET tune, or that there are none."""
    tuned = [CONTROLS[name] for name in arms_run(report, "enhance") if name in CONTROLS]
    return f"Controls tune {', or '.join(dict.fromkeys(tuned))}." if tuned else "This run has no control of SET."


def holds_of_spa(report: Report) -> str:
    """Lists how SPA's task was learned: 'without a hold, and with the selected entries held at their values'."""
    names = arms_run(report, "adapt") or tuple(HOLDS)
    return ", and ".join(HOLDS[name] for name in names)


def arms_run(report: Report, stage: Stage) -> Sequence[str]:
    """Returns the names of a stage's arms: those of the run's config, or those measured where there is no config."""
    measured = [name for name, arm in arms_of(stage).items() if arm.path in report.suites]
    asked = report.config.arms.get(stage, measured)
    return [name for name in arms_of(stage) if name in asked and name != STARTS.get(stage)]
