"""Predicts what a gate can decide with n prompts, before anything is run.

`evaluate/gate_power.py` and `evaluate/share_power.py` have the formulas. A plan assumes a share of prompts whose
verdict changes although both models are equally good (`discordance`), half of them each way. With several conditions a
gate fails at 5% divided by their number, the level that Holm's correction demands of the condition with the smallest p.

A condition on an absolute level, such as refusal < 0.5, has no before. Its plan assumes the rate of a good model. The
loss that the condition allows is then the distance from that rate to the level.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from holdfast.evaluate.condition import Condition, Quantity
from holdfast.evaluate.exact_paired import LEVEL
from holdfast.evaluate.gate_power import POWER, USUAL_DISCORDANCE
from holdfast.evaluate.looked_up import MEASURES, refuse_number_above_one
from holdfast.evaluate.scale import OTHER_SCALES, SCORES_OF_CORRECTNESS, is_share_of_responses, kind_of
from holdfast.plan.gate_chances import Level, Paired
from holdfast.printable import printable
from holdfast.spelling import meant

USUAL_PROMPTS = (50, 100, 200, 400, 800, 1600, 3200)
BEYOND = 0.03
"""Distance of the change that a plan asks about from the threshold, if none is given."""
BETTER = 0.1
"""Distance of a good model's rate from an absolute level, if no rate is given. Half the way to the end if that is less.
"""
BEFORE = Quantity("before")


@dataclass(frozen=True)
class Row:
    """Chances of a gate with a number of prompts."""

    prompts: int
    passes_equal: float
    """Chance that an equally good model passes."""
    fails_worse: float
    """Chance that a model that is worse by the plan's change fails."""
    smallest: float | None
    """Smallest change for the worse that fails with the plan's power. None if none does."""


@dataclass(frozen=True)
class GatePlan:
    """Plan of one condition."""

    condition: str
    margin: float
    """Change for the worse that the condition allows."""
    change: float
    """Change for the worse that a model has that must not pass."""
    discordance: float
    power: float
    rows: tuple[Row, ...]
    to_pass: int | None
    """Number of prompts from which an equally good model passes with the power. None if it never does."""
    to_fail: int | None
    """Number of prompts from which a model that is worse by the change fails with the power. None if it never does."""
    rate: float | None = None
    """Rate of a good model, for a condition on an absolute level. None for a condition on a change."""
    measure: str = ""
    rising: bool = True
    """True if a rise is a loss."""

    def worse_by(self, change: float) -> float:
        """Returns the rate of a model that is worse than the good one by a change. Only for an absolute level."""
        assert self.rate is not None
        return self.rate + change if self.rising else self.rate - change

    @property
    def good(self) -> str:
        """Words for a good model: as good as before, or with its rate."""
        return "as good as before" if self.rate is None else f"{self.measure} is {self.rate:.3g}"

    @property
    def bad(self) -> str:
        """Words for a model that must not pass."""
        if self.rate is None:
            return f"worse by {self.change:.3g}"
        return f"{self.measure} is {self.worse_by(self.change):.3g}"

    def to_json(self) -> dict[str, Any]:
        """Returns the plan as a JSON object."""
        return {**asdict(self), "rows": [asdict(row) for row in self.rows]}


@dataclass(frozen=True)
class WholeGatePlan:
    """Chances that an equally good model passes all conditions of a gate, each on as many prompts."""

    prompts: tuple[int, ...]
    independent: tuple[float, ...]
    """Chance for each number of prompts if the conditions are passed independently, as on prompts of several kinds."""
    at_least: tuple[float, ...]
    """Chance that no dependence between the conditions can fall below: 1 - the sum of the chances not to pass one."""
    power: float
    to_pass: int | None
    """Number of prompts from which the gate passes with the power, if independent. None if it never does."""


def plan_whole_gate(plans: Sequence[GatePlan]) -> WholeGatePlan:
    """Plans a gate that passes only if all its conditions do.

    `to_pass` is exact where all conditions allow one change, and else enough: each condition then passes with the
    power's root of their number.
    """
    first = plans[0]
    chances = [[plan.rows[place].passes_equal for plan in plans] for place in range(len(first.rows))]
    each = first.power ** (1 / len(plans))
    needed = [_chances(plan.margin, plan.discordance, plan.rate, plan.rising).to_pass(each) for plan in plans]
    known = [number for number in needed if number is not None]
    return WholeGatePlan(
        tuple(row.prompts for row in first.rows),
        tuple(math.prod(row) for row in chances),
        tuple(max(0.0, 1 - sum(1 - chance for chance in row)) for row in chances),
        first.power,
        max(known) if len(known) == len(plans) else None,
    )


def plan_condition(
    condition: Condition,
    *,
    prompts: Sequence[int] = USUAL_PROMPTS,
    change: float | None = None,
    discordance: float = USUAL_DISCORDANCE,
    power: float = POWER,
    num_conditions: int = 1,
    rate: float | None = None,
) -> GatePlan:
    """Plans one condition of a gate.

    Args:
        condition: a share compared with `before` and numbers, such as asr > before + 0.02, or with numbers alone, such
            as asr > 0.05.
        prompts: numbers of prompts to plan for.
        change: true change for the worse that must not pass. None is 0.03 more than the condition allows.
        discordance: share of prompts whose verdict changes between two equally good models. It plays no part in a
            condition on an absolute level.
        power: chance of a right decision to ask for.
        num_conditions: number of conditions of the gate.
        rate: rate of a good model, for a condition on an absolute level. None is 0.1 better than the level.

    Raises:
        ValueError: the condition is of another form, the change is no larger than the condition allows, or the rate
            meets the condition.
    """
    level = LEVEL / num_conditions
    good = _good_rate(condition, rate) if is_absolute(condition) else None
    margin = margin_of(condition, good)
    worse = _usual_change(margin, good, is_loss_a_rise(condition)) if change is None else change
    _require_possible(condition, margin, worse, discordance, good)
    tests = _chances(margin, discordance, good, is_loss_a_rise(condition))
    rows = tuple(
        Row(n, tests.passes(n), tests.fails(n, worse, level), tests.smallest(n, level, power)) for n in prompts
    )
    return GatePlan(
        condition.text,
        margin,
        worse,
        discordance,
        power,
        rows,
        tests.to_pass(power),
        tests.to_fail(worse, level, power),
        good,
        condition.measure,
        is_loss_a_rise(condition),
    )


def _chances(margin: float, discordance: float, rate: float | None, rising: bool) -> Paired | Level:
    """Returns the chances of a condition. An absolute level is turned where a fall is a loss."""
    if rate is None:
        return Paired(margin, discordance)
    good = rate if rising else 1 - rate
    return Level(good + margin, good)


def is_absolute(condition: Condition) -> bool:
    """True for a condition on an absolute level, such as asr > 0.05. Raises ValueError if it can't be planned."""
    _require_known(condition)
    (comparison, *others), text = condition.comparisons, condition.text
    factor = comparison.factor_of(BEFORE)
    plain = all(isinstance(term, float) or term == BEFORE for _, term in comparison.terms)
    if others or comparison.left.end != "value" or not plain or factor not in (0, 1):
        raise ValueError(
            f"the condition {text!r} can't be planned; give one such as 'asr > before + 0.02' or 'asr > 0.05': a "
            "share, and how much it may change from before or which level it must not cross. A factor of before, "
            ".low, .high, .unscored and p can be planned only after a first evaluation."
        )
    if not is_share_of_responses(condition.measure):
        raise ValueError(
            f"the condition {text!r} is about {condition.measure}, which is no share of prompts, so the "
            "number of prompts that it needs follows only from a first evaluation; `compare` then tells it."
        )
    refuse_number_above_one(condition)
    return factor == 0


def is_loss_a_rise(condition: Condition) -> bool:
    """True if a condition fails a model whose measure rises."""
    return ">" in condition.comparisons[0].operator


def margin_of(condition: Condition, rate: float | None = None) -> float:
    """Returns the change for the worse that a condition allows: from before, or from a good model's rate."""
    constant = round(condition.comparisons[0].constant - (rate or 0.0), 12)  # 0.6 - 0.5 is to be 0.1
    return constant if is_loss_a_rise(condition) else -constant


def _good_rate(condition: Condition, rate: float | None) -> float:
    """Returns the rate of a good model: the one that is given, or one that is better than the level.

    Raises:
        ValueError: the level or the rate is no share, or the rate meets the condition.
    """
    level, rising = condition.comparisons[0].constant, is_loss_a_rise(condition)
    if not 0 < level < 1:
        raise ValueError(
            f"the condition {condition.text!r} asks for a level of {level:g}, and a share lies between 0 and 1; write "
            "2% as 0.02."
        )
    if rate is None:
        return max(level - BETTER, level / 2) if rising else min(level + BETTER, (1 + level) / 2)
    if not 0 <= rate <= 1 or (rate >= level if rising else rate <= level):
        side = "below" if rising else "above"
        raise ValueError(
            f"a good model's rate of {rate:g} meets {condition.text!r}, so no gate passes it; give a rate {side} "
            f"{level:g}."
        )
    return rate


def _usual_change(margin: float, rate: float | None, rising: bool) -> float:
    """Returns a change beyond the threshold, and at most half the way from there to the end of all shares."""
    if rate is None:
        return margin + BEYOND
    room = (1 - rate if rising else rate) - margin
    return round(margin + min(BEYOND, room / 2), 12)


def _require_known(condition: Condition) -> None:
    name = condition.measure
    known = MEASURES
    of_logs = (*OTHER_SCALES, *SCORES_OF_CORRECTNESS)
    kind = kind_of(name)
    if kind not in (*known, *of_logs) and not kind.startswith("asr_any_of"):
        raise ValueError(
            f"the condition {condition.text!r} names an unknown measure {name!r}; {printable(meant(kind, known))}. For "
            "another score of a log take any of these shares, because its plan is the same."
        )


def _require_possible(
    condition: Condition, margin: float, worse: float, discordance: float, rate: float | None
) -> None:
    if not margin < worse:
        raise ValueError(
            f"a change of {worse:g} is no more than {condition.text!r} allows, so no gate must find it; give a larger "
            "change."
        )
    if rate is not None:
        if worse > (1 - rate if is_loss_a_rise(condition) else rate):
            raise ValueError(
                f"a change of {worse:g} for the worse leads from a rate of {rate:g} beyond all shares; give a smaller "
                "change."
            )
        return
    if not abs(margin) < 1 or not 0 <= discordance + abs(worse) <= 1:
        raise ValueError(
            f"a change of {worse:g} and a discordance of {discordance:g} are shares of all prompts, so together they "
            "are at most 1; write 2% as 0.02."
        )
