"""What a report reads safety off: attack success, or the share of harmful prompts that are not refused.

A run without a judge of harm has the latter. It is no attack success, and is never called that.
"""

from collections.abc import Mapping
from typing import Any, cast

from holdfast.outcomes import SafetyMeasure

NAMES: dict[SafetyMeasure, str] = {"asr": "attack success", "not_refused": "the share of harmful prompts not refused"}


def safety_measure(report: Mapping[str, Any]) -> SafetyMeasure:
    """The measure that stands for safety in this report."""
    return cast(SafetyMeasure, report.get("safety", "asr"))


def safety_name(report: Mapping[str, Any]) -> str:
    """What a sentence calls it."""
    return NAMES[safety_measure(report)]
