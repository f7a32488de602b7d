"""One claim of the page with its bar and its answer; every answer comes from an interval against a bar."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from holdfast.decision import Decision, Interval, decide, decide_all
from holdfast.report.left_out import what_is_left_out

Report = Mapping[str, Any]
Answer = Literal[Decision, "not measured yet", "left out"]
UNDECIDED = "the interval reaches the bar, more prompts would decide"


@dataclass(frozen=True)
class Verdict:
    """A claim, the bar it was held to, and what the numbers say."""

    stage: str
    claim: str
    bar: str
    answer: Answer
    reason: str = ""
    """The rates; or what of the run is left out."""
    finding: str = ""
    """The difference that decides, with its interval."""
    why: str = ""
    """Why nothing is decided, where more prompts would not help."""

    @property
    def measured(self) -> bool:
        """Whether there are numbers to answer from."""
        return self.answer in ("holds", "does not hold", "inconclusive")

    @property
    def undecided(self) -> str:
        """Why there is no answer: what would decide, why nothing can, or what the config leaves out."""
        if self.answer == "inconclusive":
            return self.why or (UNDECIDED if self.finding else "")
        return f"the config leaves out {self.reason}" if self.answer == "left out" else ""

    @property
    def numbers(self) -> str:
        """Everything that was measured, and what would decide where nothing is decided yet."""
        return "; ".join(filter(None, (self.reason, self.finding, self.undecided if self.measured else "")))


@dataclass(frozen=True)
class Part:
    """A number with its interval, the bar, and the side of it that a claim says the number is on."""

    finding: str
    """The number in words, with its interval."""
    interval: Interval
    bar: float
    claimed: Literal["above", "below"]

    @property
    def decision(self) -> Decision:
        """Whether it is as claimed."""
        return decide(self.interval, self.bar, claimed=self.claimed)


def decided(stage: str, claim: str, bar: str, reason: str, *parts: Part) -> Verdict:
    """The verdict on a claim that needs every part."""
    answer = decide_all([part.decision for part in parts])
    return Verdict(stage, claim, bar, answer, reason, "; ".join(part.finding for part in parts))


def joined(parts: Mapping[str, Verdict]) -> Verdict:
    """The verdict on one claim that was measured on several sets of prompts, by their names; the worst one decides."""
    verdicts = list(parts.values())
    answer = decide_all([cast(Decision, verdict.answer) for verdict in verdicts])
    reason = "; ".join(f"{name}: {verdict.reason}" for name, verdict in parts.items())
    finding = "; ".join(f"{name}: {verdict.finding}" for name, verdict in parts.items())
    undecided = "; ".join(f"{name}: {verdict.undecided}" for name, verdict in parts.items() if verdict.undecided)
    why = undecided if any(verdict.why for verdict in verdicts) else ""
    return replace(verdicts[0], answer=answer, reason=reason, finding=finding, why=why)


def unmeasured(report: Report, claim: str, bar: str, measure: str, *paths: Sequence[str]) -> Verdict:
    """The verdict on a claim that some numbers are missing for: they are still to come, or were not asked for."""
    absent = what_is_left_out(report, measure, *paths)
    return Verdict(paths[0][0], claim, bar, "left out" if absent else "not measured yet", ", ".join(absent))
