"""Three outcomes of a condition: it is shown to be met, it is shown not to be met, or the prompts cannot decide.

fails      every comparison of the condition is shown to hold
passes     one comparison is shown not to hold
undecided  neither

- A number (a measure, or its change) is shown to be on one side of a bar by a one-sided test at a level of 5%
  (`evidence.py`). So each outcome is wrong in at most 5% of cases, and prompts that show nothing decide nothing.
- .low, .high and .unscored are compared as they are. Whoever names them sets a rule of evidence.
- A p that holds is shown to hold. One that does not shows nothing: weak evidence is no pass.

Prompts that were scored before and not after must not help a model. So a comparison is shown not to hold only if that
is also shown with each of them counted towards it (`Part.against`). Nothing fails because of them: the outcome is then
undecided.

A gate with several conditions fails if any of them does. Their p values against a wrong failure are therefore corrected
(Holm). It passes only if all conditions do, so a wrong pass needs no correction.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np

from holdfast.differences import rate_difference
from holdfast.evaluate.compared import Compared
from holdfast.evaluate.condition import Comparison, Condition, Quantity
from holdfast.evaluate.evidence import Evidence, Interval, Mean, PairedShares, Share
from holdfast.evaluate.exact_paired import LEVEL
from holdfast.evaluate.looked_up import number_of
from holdfast.evaluate.statistics import wilson_interval
from holdfast.holm import holm
from holdfast.outcomes import Rate

GateOutcome = Literal["fails", "passes", "undecided"]
BEFORE = Quantity("before")


@dataclass(frozen=True)
class Part:
    """A comparison of a condition with the evidence on it."""

    comparison: Comparison
    kind: Literal["tested", "number", "p"]
    holds: bool
    """True if the measured numbers meet the comparison."""
    bar: float
    evidence: Evidence | None = None
    """Evidence on the number that is tested. None if it has no interval."""
    against: "Part | None" = None
    """The comparison with every prompt that was scored before alone counted towards it. None without such prompts."""

    @property
    def rising(self) -> bool:
        """True if a large number meets the comparison."""
        return ">" in self.comparison.operator

    @property
    def fails_to_hold(self) -> bool:
        """True if the measured numbers do not meet the comparison, whatever the lost prompts would have given."""
        return not self.holds and not (self.against and self.against.holds)

    def p_value(self, *, holds: bool) -> float:
        """P value of the test that shows that the comparison holds, or that it does not. 1 without evidence.

        The test that it does not hold counts the lost prompts against the model.
        """
        known = self.evidence.p_value(self.bar, above=self.rising == holds) if self.evidence else 1.0
        return known if holds or self.against is None else max(known, self.against.p_value(holds=False))


@dataclass(frozen=True)
class Weighed:
    """A condition, its measure, and the evidence on each of its comparisons."""

    condition: Condition
    measure: Compared
    parts: tuple[Part, ...]

    @property
    def holds(self) -> bool:
        """True if the measured numbers meet the condition, whatever they show."""
        return all(part.holds for part in self.parts)

    @property
    def tested(self) -> list[Part]:
        """Comparisons that a test decides."""
        return [part for part in self.parts if part.kind == "tested"]

    @property
    def p_fails(self) -> float | None:
        """P value against a condition that is not met. None if nothing is tested."""
        return max((part.p_value(holds=True) for part in self.tested), default=None)

    @property
    def p_passes(self) -> float | None:
        """P value against a condition that is met. It is corrected for the number of tests. None without any."""
        smallest = min((part.p_value(holds=False) for part in self.tested), default=None)
        return None if smallest is None else min(1.0, len(self.tested) * smallest)

    @property
    def without_lost(self) -> "Weighed":
        """The condition on the prompts that were scored both times, as if no other had been scored before."""
        return replace(self, parts=tuple(replace(part, against=None) for part in self.parts))

    def outcome(self, corrected_p: float | None) -> GateOutcome:
        """Decides the condition, with its p of failing corrected for several conditions."""
        p_passes = self.p_passes
        if any(part.kind == "number" and part.fails_to_hold for part in self.parts):
            return "passes"
        if p_passes is not None and p_passes <= LEVEL:
            return "passes"
        if all(part.holds for part in self.parts if part.kind != "tested"):
            return "fails" if corrected_p is None or corrected_p <= LEVEL else "undecided"
        return "undecided"


def weigh(condition: Condition, measure: Compared) -> Weighed:
    """Collects the evidence on every comparison of a condition. Raises ValueError where a number is missing."""
    return Weighed(condition, measure, tuple(_with_lost(one, condition, measure) for one in condition.comparisons))


def correct(weighed: Sequence[Weighed]) -> list[float | None]:
    """Corrects the p values of failing for several conditions. None for a condition without a test."""
    p_values = [one.p_fails for one in weighed]
    corrected = iter(holm([p for p in p_values if p is not None]))
    return [None if p is None else next(corrected) for p in p_values]


def _with_lost(comparison: Comparison, condition: Condition, measure: Compared) -> Part:
    """Collects the evidence on a comparison, also with the lost prompts counted towards it."""
    part = _part(comparison, measure, partial(number_of, condition, measure=measure))
    if measure.lost is None:
        return part
    extreme = measure.lost.towards(rising=part.rising)
    return replace(part, against=_part(comparison, extreme, partial(number_of, condition, measure=extreme)))


def _part(comparison: Comparison, measure: Compared, look_up: Callable[[Quantity], float]) -> Part:
    holds, bar = comparison.holds(look_up), comparison.bar(look_up)
    if comparison.left.name == "p":
        return Part(comparison, "p", holds, bar)
    if comparison.left.end != "value" or any(
        isinstance(term, Quantity) and term != BEFORE for _, term in comparison.terms
    ):
        return Part(comparison, "number", holds, bar)
    factor, constant = comparison.factor_of(BEFORE), comparison.constant
    if factor == 0:
        return Part(comparison, "tested", holds, constant, _of_level(measure))
    before = measure.before.value if isinstance(measure.before, Rate) else measure.before
    if measure.ratio and before:
        ratio = measure.ratio
        evidence = Interval(
            ratio.value, ratio.low, ratio.high, ratio.n, ratio.n - 1, scale="times", unit="exchanges", is_log=True
        )
        return Part(comparison, "tested", holds, factor + constant / before, evidence)
    bar, evidence = _of_change(measure, factor, constant)
    return Part(comparison, "tested", holds, bar, evidence)


def _of_level(measure: Compared) -> Evidence | None:
    """Collects the evidence on a measure of the second checkpoint alone."""
    if measure.shares:
        return Mean(np.array([after for _, after in measure.shares]), scale="value")
    rate = measure.after
    if not isinstance(rate, Rate) or rate.value is None or rate.low is None or rate.high is None:
        return None
    if _is_of_single_responses(rate):
        return Share(rate.n, round(rate.value * rate.n))
    if measure.mean:
        return Interval(rate.value, rate.low, rate.high, rate.n, rate.n - 1, scale="value", unit="samples")
    if measure.name.startswith("perplexity"):
        return Interval(
            rate.value, rate.low, rate.high, rate.n, rate.n - 1, scale="value", unit="exchanges", is_log=True
        )
    return Interval(rate.value, rate.low, rate.high, rate.n, scale="value")


def _of_change(measure: Compared, factor: float, constant: float) -> tuple[float, Evidence | None]:
    """Returns the bar for after minus before, and the evidence on that change."""
    if pair := measure.paired:
        if factor == 1:
            return constant, PairedShares(pair.n, pair.only_before, pair.only_after)
        shares = [(float(one.before), float(one.after)) for one in measure.prompts]
        return _of_shares(shares, factor, constant)
    if measure.shares:
        return _of_shares(measure.shares, factor, constant)
    if factor == 1 and (mean := measure.lengths or measure.mean):
        return constant, Interval(mean.value, mean.low, mean.high, mean.n, mean.n - 1)
    if not isinstance(measure.before, Rate) or not isinstance(measure.after, Rate):
        return constant, None
    difference = rate_difference(measure.before, measure.after, factor)
    if difference is None or measure.before.value is None:
        return constant, None
    shift = (factor - 1) * measure.before.value  # shows after minus before, whatever the factor is
    value, low, high = (end + shift for end in (difference.value, difference.low, difference.high))
    return constant + shift, Interval(value, low, high, min(measure.before.n, measure.after.n))


def _of_shares(shares: Sequence[tuple[float, float]], factor: float, constant: float) -> tuple[float, Evidence]:
    """Returns the bar for after minus before and the evidence on it, from each prompt's shares before and after."""
    before, after = np.array(shares).T
    shift = (factor - 1) * float(before.mean())
    return constant + shift, Mean(after - factor * before + shift)


def _is_of_single_responses(rate: Rate) -> bool:
    """True if a rate is a share of independent responses, so that its interval is Wilson's."""
    if rate.value is None or rate.low is None or rate.high is None or not 0 <= rate.value <= 1:
        return False
    counted = rate.value * rate.n
    low, high = wilson_interval(rate.value, rate.n)
    return max(abs(counted - round(counted)), abs(low - rate.low), abs(high - rate.high)) < 1e-6
