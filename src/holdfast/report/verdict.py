"""Decides a claim of the page by comparing an interval with the claim's bar."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Literal, cast

from holdfast.decision import Decision, Interval, decide, decide_all
from holdfast.differences import Difference
from holdfast.report.left_out import what_is_left_out
from holdfast.report.records import Report
from holdfast.spelling import capitalize_first

Answer = Literal[Decision, "not measured yet", "left out"]
MORE_PROMPTS = "more prompts"
OTHER_PROMPTS = "more prompts that do not repeat each other"


@dataclass(frozen=True)
class Verdict:
    """A claim with its bar, its answer and its numbers."""

    stage: str
    claim: str
    bar: str
    answer: Answer
    reason: str = ""
    """The rates, or what the config leaves out."""
    finding: str = ""
    """Difference that decides, with its interval."""
    why: str = ""
    """Reason why more prompts would not decide the claim."""
    lost: str = ""
    """Reason why the claim would not hold if the answers that the judge could not score counted against it."""
    repeated: str = ""
    """Reason why the claim is open if prompts that nearly repeat an earlier one count once with it."""
    threshold: str = ""
    """Number that the bar names, such as 0.05."""
    sentences: tuple[str, ...] = ()
    """Finding in sentences: each difference, and where its interval must lie. Empty for several sets of prompts."""
    beside: str = ""
    """Numbers to read with the finding, which decide nothing: coherent refusals and coherent answers."""
    more: str = MORE_PROMPTS
    """Words for what a new run needs more of, so that the interval narrows: prompts, or draws of noise."""

    @property
    def measured(self) -> bool:
        """Tells whether the numbers of the claim were measured."""
        return self.answer in ("holds", "does not hold", "inconclusive")

    @property
    def undecided(self) -> str:
        """Reason why there is no answer.

        It is too few prompts, no room to change, answers without a verdict, or a part that the config leaves out.
        """
        if self.answer == "inconclusive":
            includes = f"the interval includes the bar of {self.threshold}, {self.more} may decide"
            return self.why or self.lost or self.repeated or (includes if self.finding else "")
        return f"the config leaves out {self.reason}" if self.answer == "left out" else ""

    @property
    def numbers(self) -> str:
        """All measured numbers, and the reason why they do not decide if they do not."""
        return "; ".join(
            filter(None, (self.reason, self.finding, self.beside, self.undecided if self.measured else ""))
        )


@dataclass(frozen=True)
class Part:
    """Number with its interval, a bar, and the side of the bar on which the claim puts the number."""

    finding: str
    """Number in words, with its interval."""
    interval: Interval
    bar: float
    claimed: Literal["above", "below"]
    worst: Difference | None = None
    """Number with every answer that could not be scored counted against the claim. None if all were scored."""
    independent: float = 1.0
    """Share of the prompts that do not nearly repeat an earlier one."""

    @property
    def wide(self) -> Interval:
        """The interval as wide as if near repeats were no prompts of their own."""
        low, high = self.interval
        half = (high - low) / 2 / self.independent**0.5
        return (low + high) / 2 - half, (low + high) / 2 + half

    @property
    def decision(self) -> Decision:
        """Decision: the interval is on the claimed side of the bar, on the other side, or includes it."""
        return decide(self.interval, self.bar, claimed=self.claimed)

    @property
    def holds_at_worst(self) -> bool:
        """Tells whether the part holds, also with every answer that could not be scored counted against the claim."""
        worst = self.interval if self.worst is None else self.worst.interval
        return self.decision == "holds" and decide(worst, self.bar, claimed=self.claimed) == "holds"


def decided(stage: str, claim: str, bar: str, reason: str, *parts: Part) -> Verdict:
    """Makes the verdict on a claim that holds only if every part holds, whatever unscored answers would have been."""
    answer = decide_all([part.decision for part in parts])
    lost = next((_lost(part) for part in parts if answer == "holds" and not part.holds_at_worst), "")
    repeated = "" if lost else _repeated(parts, answer)
    answer = "inconclusive" if lost or repeated else answer
    threshold = " and ".join(dict.fromkeys(f"{part.bar:g}" for part in parts))
    finding = "; ".join(_with_bar(part) for part in parts)
    sentences = tuple(_in_sentences(part, following) for part, following in zip_longest(parts, parts[1:]))
    return Verdict(
        stage, claim, bar, answer, reason, finding, lost=lost, repeated=repeated, threshold=threshold,
        sentences=sentences, more=OTHER_PROMPTS if repeated else MORE_PROMPTS,
    )  # fmt: skip


def _repeated(parts: Sequence[Part], answer: Decision) -> str:
    """Explains that near repeats decide a claim. Empty where they do not."""
    wide: list[Decision] = [decide(one.wide, one.bar, claimed=one.claimed) for one in parts]
    if answer == "inconclusive" or decide_all(wide) == answer:
        return ""
    part = next(one for one in parts if decide(one.wide, one.bar, claimed=one.claimed) != one.decision)
    low, high = part.wide
    return (
        "the interval counts prompts that nearly repeat an earlier one as prompts of their own. Without them it is "
        f"about as wide as [{low:+z.3f}, {high:+z.3f}], which includes the bar of {part.bar:g}"
    )


def _lost(part: Part) -> str:
    return (
        "the claim does not hold with the answers that could not be scored counted against it: the difference is then "
        f"{part.worst}, and the bar is {part.bar:g}"
    )


def _with_bar(part: Part) -> str:
    shown = part.worst and part.decision == "holds"
    worst = f" ({part.worst} with unscored answers counted against the claim)" if shown else ""
    return f"{part.finding}, must be {part.claimed} {part.bar:g}{worst}"


def _in_sentences(part: Part, following: Part | None) -> str:
    """Writes a part, and its bar unless the next part has the same one."""
    finding = f"{capitalize_first(part.finding)}."
    if following is None or (following.claimed, following.bar) != (part.claimed, part.bar):
        finding += f" The claim needs the whole interval {part.claimed} {part.bar:g}."
    shown = part.worst and part.decision == "holds"
    return finding + (f" With unscored answers counted against the claim it is {part.worst}." if shown else "")


def joined(parts: Mapping[str, Verdict]) -> Verdict:
    """Joins the verdicts on one claim from several sets of prompts, by the names of the sets. The worst decides."""
    verdicts = list(parts.values())
    answer = decide_all([cast(Decision, verdict.answer) for verdict in verdicts])
    reason = "; ".join(f"{name}: {verdict.reason}" for name, verdict in parts.items())
    finding = "; ".join(f"{name}: {verdict.finding}" for name, verdict in parts.items())
    undecided = "; ".join(f"{name}: {verdict.undecided}" for name, verdict in parts.items() if verdict.undecided)
    why = undecided if any(verdict.why or verdict.repeated for verdict in verdicts) else ""
    lost = undecided if any(verdict.lost for verdict in verdicts) else ""
    return replace(verdicts[0], answer=answer, reason=reason, finding=finding, why=why, lost=lost, sentences=())


def unmeasured(report: Report, claim: str, bar: str, measure: str, *paths: Sequence[str]) -> Verdict:
    """Makes the verdict on a claim without all its numbers: not measured yet, or left out by the config."""
    absent = what_is_left_out(report, measure, *paths)
    return Verdict(paths[0][0], claim, bar, "left out" if absent else "not measured yet", ", ".join(absent))
