"""Predicts what a gate can decide with n prompts, before anything is run.

`evaluate/gate_power.py` has the formulas. A plan assumes a share of prompts whose verdict changes although both models
are equally good (`discordance`), half of them each way. With several conditions a gate fails at 5% divided by their
number, the level that Holm's correction asks of the clearest of them.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from holdfast.evaluate.condition import Condition, Quantity
from holdfast.evaluate.exact_paired import LEVEL
from holdfast.evaluate.gate_power import POWER, USUAL_DISCORDANCE, Truth, chance_above, prompts_needed, smallest_rise
from holdfast.evaluate.looked_up import MEASURES
from holdfast.evaluate.scale import OTHER_SCALES, SCORES_OF_CORRECTNESS, is_share_of_responses, kind_of
from holdfast.printable import printable
from holdfast.spelling import meant

USUAL_PROMPTS = (50, 100, 200, 400, 800, 1600, 3200)
BEYOND = 0.03
"""Distance of the change that a plan asks about from the threshold, if none is given."""


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
    equal, each = Truth.of(0.0, first.discordance), first.power ** (1 / len(plans))
    needed = [prompts_needed(-plan.margin, equal.turned, LEVEL, each) for plan in plans]
    known = [number for number in needed if number is not None]
    return WholeGatePlan(
        tuple(row.prompts for row in first.rows),
        tuple(math.prod(row) for row in chances),
        tuple(max(0.0, 1 - sum(1 - chance for chance in row)) for row in chances),
        first.power,
        max(known) if len(known) == len(plans) else None,
    )


def plan_gate(
    condition: Condition,
    *,
    prompts: Sequence[int] = USUAL_PROMPTS,
    change: float | None = None,
    discordance: float = USUAL_DISCORDANCE,
    power: float = POWER,
    num_conditions: int = 1,
) -> GatePlan:
    """Plans one condition of a gate.

    Args:
        condition: a share compared with `before` and numbers, such as asr > before + 0.02.
        prompts: numbers of prompts to plan for.
        change: true change for the worse that must not pass. None is 0.03 more than the condition allows.
        discordance: share of prompts whose verdict changes between two equally good models.
        power: chance of a right decision to ask for.
        num_conditions: number of conditions of the gate.

    Raises:
        ValueError: the condition is of another form, or the change is no larger than the condition allows.
    """
    margin, level = margin_of(condition), LEVEL / num_conditions
    worse = margin + BEYOND if change is None else change
    _require_possible(condition, margin, worse, discordance)
    equal, bad = Truth.of(0.0, discordance), Truth.of(worse, discordance)
    rows = tuple(
        Row(
            n,
            chance_above(n, -margin, equal.turned),
            chance_above(n, margin, bad, level),
            smallest_rise(n, margin, discordance, level, power),
        )
        for n in prompts
    )
    to_pass, to_fail = prompts_needed(-margin, equal.turned, LEVEL, power), prompts_needed(margin, bad, level, power)
    return GatePlan(condition.text, margin, worse, discordance, power, rows, to_pass, to_fail)


def margin_of(condition: Condition) -> float:
    """Returns the change for the worse that a condition allows. Raises ValueError where it compares anything else."""
    _require_known(condition)
    (comparison, *others), before = condition.comparisons, Quantity("before")
    plain = all(isinstance(term, float) or term == before for _, term in comparison.terms)
    if others or comparison.left.end != "value" or not plain or comparison.factor_of(before) != 1:
        raise ValueError(
            f"the condition {condition.text!r} can't be planned; give one such as 'asr > before + 0.02': a share, and "
            "how much it may change from before."
        )
    if not is_share_of_responses(condition.measure):
        raise ValueError(
            f"the condition {condition.text!r} is about {condition.measure}, which is no share of prompts, so the "
            "number of prompts that it needs follows only from a first evaluation; `compare` then tells it."
        )
    return comparison.constant if ">" in comparison.operator else -comparison.constant


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


def _require_possible(condition: Condition, margin: float, worse: float, discordance: float) -> None:
    if not margin < worse:
        raise ValueError(
            f"a change of {worse:g} is no more than {condition.text!r} allows, so no gate must find it; give a larger "
            "--change."
        )
    if not abs(margin) < 1 or not 0 <= discordance + abs(worse) <= 1:
        raise ValueError(
            f"a change of {worse:g} and a discordance of {discordance:g} are shares of all prompts, so together they "
            "are at most 1; write 2% as 0.02."
        )
