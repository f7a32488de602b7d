"""Finds claims that a measurement cannot decide, because a rate at the end of its range has no room left to move.

A model that answers no question right cannot lose utility, and one that helps with every harmful request cannot help
with more. If nothing changes then, that decides nothing, however many prompts were used.
"""

from dataclasses import replace

from holdfast.outcomes import Rate
from holdfast.report.verdict import Verdict


def cannot_fall(name: str, rate: Rate | None, by: float = 0.0) -> str:
    """Explains that a rate is too low to fall by this much. Empty if it can fall, or if nothing was scored."""
    return "" if rate is None or rate.value is None or rate.value > by else _cannot(name, rate, "fall", by)


def cannot_rise(name: str, rate: Rate | None, by: float = 0.0) -> str:
    """Explains that a rate is too high to rise by this much. Empty if it can rise, or if nothing was scored."""
    return "" if rate is None or rate.value is None or 1 - rate.value > by else _cannot(name, rate, "rise", by)


def undecidable(verdict: Verdict, why: str) -> Verdict:
    """Makes a verdict inconclusive if there is a reason why the change in question could not show."""
    if not why or not verdict.measured:
        return verdict
    return replace(verdict, answer="inconclusive", why=why)


def _cannot(name: str, rate: Rate, verb: str, by: float) -> str:
    far = f"by {by:g}" if by else "further"
    return f"{name} is {rate.value:.3f} and cannot {verb} {far}, so more prompts would not decide"
