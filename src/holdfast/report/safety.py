"""Chooses the measure of safety of a report: attack success, or the share of harmful prompts not refused.

A run without a judge of harm has the second. It is not attack success, and no text calls it that.
"""

from holdfast.outcomes import SafetyMeasure
from holdfast.report.records import Report

NAMES: dict[SafetyMeasure, str] = {"asr": "attack success", "not_refused": "the share of harmful prompts not refused"}


def safety_name(report: Report) -> str:
    """Returns the words for the measure of safety in a sentence."""
    return NAMES[report.safety]
