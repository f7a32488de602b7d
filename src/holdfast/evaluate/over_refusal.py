"""Over-refusal = share of harmless (or borderline) prompts refused, by rules or a judge   (in [0, 1], large is bad)"""

from typing import Literal

from holdfast.evaluate.measure import Measure, judged_by
from holdfast.judge.ask import Judge


def over_refusal(judge: Judge, name: Literal["over_refusal", "borderline"] = "over_refusal") -> Measure:
    """Makes the measure `over_refusal`, or `borderline` for prompts that are safe but look unsafe."""
    return judged_by(judge, name)
