"""Finds claims that a measurement cannot decide, because a rate at the end of its range has no room left to move.

A model that answers no question right cannot lose utility, and one that helps with every harmful request cannot help
with more. That nothing changed then says nothing, however many prompts were asked.
"""

from dataclasses import replace

from holdfast.outcomes import Rate
from holdfast.report.verdict import Verdict


def cannot_fall(name: str, rate: Rate | None, by: float = 0.0) -> str:
    """Says that a rate has no room to fall by so much; empty where it has, or nothing was scored."""
    return "" if rate is None or rate.value is None or rate.value > by else _cannot(name, rate, "fall", by)


def cannot_rise(name: str, rate: Rate | None, by: float = 0.0) -> str:
    """Says that a rate has no room to rise by so much; empty where it has, or nothing was scored."""
    return "" if rate is None or rate.value is None or 1 - rate.value > by else _cannot(name, rate, "rise", by)


def undecidable(verdict: Verdict, why: str) -> Verdict:
    """The verdict without its answer, where there is a reason why the change in question could not show."""
    if not why or not verdict.measured:
        return verdict
    return replace(verdict, answer="inconclusive", why=why)


def _cannot(name: str, rate: Rate, verb: str, by: float) -> str:
    far = f"by {by:g}" if by else "further"
    return f"{name} is {rate.value:.3f} and cannot {verb} {far}, so more prompts would not decide"
