"""Writes what the arms of SET and SPA do, for those arms alone that are part of the run."""

from collections.abc import Sequence

from holdfast.arms import STARTS, Stage, arms_of
from holdfast.report.records import Report


def controls_of_set(report: Report) -> str:
    """Writes what the controls of SET tune, or that there are none."""
    tuned = _words(arms_run(report, "enhance"), "enhance")
    return f"Controls tune {', or '.join(dict.fromkeys(tuned))}." if tuned else "This run has no control of SET."


def holds_of_spa(report: Report) -> str:
    """Lists how SPA's task was learned: 'without a hold, and with the selected entries held at their values'."""
    words = _words(arms_run(report, "adapt") or tuple(arms_of("adapt")), "adapt")
    return ", and ".join(words) or "in the arms below"


def _words(names: Sequence[str], stage: Stage) -> list[str]:
    return [words for name in names if (words := arms_of(stage)[name].does)]


def arms_run(report: Report, stage: Stage) -> Sequence[str]:
    """Returns the names of a stage's arms: those of the run's config, or those measured where there is no config."""
    measured = [name for name, arm in arms_of(stage).items() if arm.path in report.suites]
    asked = report.config.arms.get(stage, measured)
    return [name for name in arms_of(stage) if name in asked and name != STARTS.get(stage)]
