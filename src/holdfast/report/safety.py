"""Chooses the measure of safety of a report: attack success, or the share of harmful prompts not refused.

A run without a judge of harm has the second. It is not attack success, and no text calls it that.
"""

from collections.abc import Mapping
from typing import Any, cast

from holdfast.outcomes import SafetyMeasure

NAMES: dict[SafetyMeasure, str] = {"asr": "attack success", "not_refused": "the share of harmful prompts not refused"}


def safety_measure(report: Mapping[str, Any]) -> SafetyMeasure:
    """Returns the measure of safety of a report."""
    return cast(SafetyMeasure, report.get("safety", "asr"))


def safety_name(report: Mapping[str, Any]) -> str:
    """Returns the words for the measure of safety in a sentence."""
    return NAMES[safety_measure(report)]
