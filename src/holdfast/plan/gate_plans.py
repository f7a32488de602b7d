"""Plans a gate from the texts of its conditions, for scripts and for `holdfast plan-gate`."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from numbers import Real

from holdfast.arguments import checked_call, require_rate
from holdfast.counts import counted
from holdfast.evaluate.condition import Condition, conditions_of, parse_condition
from holdfast.evaluate.gate_power import POWER, USUAL_DISCORDANCE
from holdfast.evaluate.inverted import refuse_inverted
from holdfast.plan.gate import USUAL_PROMPTS, GatePlan, Row, WholeGatePlan, is_absolute, plan_condition, plan_whole_gate


@dataclass(frozen=True)
class GatePlans:
    """Plan of each condition of a gate, and of the whole gate. Print it to read the advice and a table of each."""

    plans: tuple[GatePlan, ...]
    whole: WholeGatePlan

    def __str__(self) -> str:
        """Writes how many prompts to take, and the table of each condition."""
        return "\n\n".join([self.advice, *(plan_table(plan) for plan in self.plans)])

    @property
    def advice(self) -> str:
        """Says in one line how many prompts to take: to pass a model that is as good as before, and to catch a loss."""
        cases = f"in {self.whole.power:.0%} of cases"
        lines = [f"No number of prompts passes a model that is only {self.good} {cases}: allow a change."]
        if self.to_pass is not None:
            lines = [f"Take {self.to_pass:,} prompts of each kind: a model that is {self.good} then passes {cases}."]
        if self.to_fail is not None:
            hardest = max(self.plans, key=lambda plan: plan.to_fail or 0)
            most = ", the loss that takes the most" if len(self.plans) > 1 else ""
            measure = parse_condition(hardest.condition).measure
            lines.append(
                f"Take {self.to_fail:,} to catch a model that is worse by {hardest.change:.3g} in {measure} "
                f"{cases}{most}."
            )
        return " ".join(lines)

    @property
    def to_pass(self) -> int | None:
        """Number of prompts of each kind from which a good model passes. None if it never does."""
        return self.whole.to_pass

    @property
    def to_fail(self) -> int | None:
        """Prompts from which every condition fails a model that is worse by its change. None if one never does."""
        needed = [plan.to_fail for plan in self.plans if plan.to_fail is not None]
        return max(needed) if len(needed) == len(self.plans) else None

    @property
    def good(self) -> str:
        """Words for a good model: as good as before, or as expected where a condition has a level."""
        return "as good as before" if all(plan.rate is None for plan in self.plans) else "as good as expected"

    def to_json(self) -> dict[str, object]:
        """Returns the plans as a JSON object."""
        return {"plans": [plan.to_json() for plan in self.plans], "whole": asdict(self.whole)}


def plan_table(plan: GatePlan) -> str:
    """Writes the plan of a condition as a table in plain text."""
    headings = (
        "prompts",
        f"passes if {plan.good}",
        f"fails if {plan.bad}",
        f"smallest loss in {plan.power:.0%} of cases",
    )
    rows = [headings, *map(plan_cells, plan.rows)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join([f"{plan.condition}: share of cases in which the gate", *lines])


def plan_cells(row: Row) -> tuple[str, str, str, str]:
    """Writes the numbers of one row of a plan."""
    smallest = "no change" if row.smallest is None else f"{row.smallest:.3f}"
    return f"{row.prompts:,}", f"{row.passes_equal:.0%}", f"{row.fails_worse:.0%}", smallest


@checked_call
def plan_gate(
    fail_if: Sequence[str],
    *,
    prompts: Sequence[int] = USUAL_PROMPTS,
    change: float | None = None,
    discordance: float = USUAL_DISCORDANCE,
    power: float = POWER,
    rates: Sequence[float] = (),
) -> GatePlans:
    """Predicts how many prompts a gate needs, before anything is run.

    Example:
        >>> plan = plan_gate(["refusal < before - 0.05", "over_refusal > before + 0.05"])
        >>> plan.to_pass
        213

    Args:
        fail_if: all conditions of the gate, as for `compare`. With several, failing takes stronger evidence (Holm).
        prompts: numbers of prompts to plan for.
        change: true change for the worse that the gate must find. None is 0.03 more than a condition allows.
        discordance: share of prompts whose verdict changes although both models are equally good.
        power: share of cases in which the decision is to be right.
        rates: rate of a good model for each condition with a level, in their order. Without any, each is 0.1 better
            than the level.

    Raises:
        ValueError: there is no condition, one does not parse, is inverted or cannot be planned, or a number is not as
            it should be.
    """
    conditions = conditions_of(fail_if)
    if not conditions:
        raise ValueError('a plan needs a condition, and there is none; give one, such as "refusal < before - 0.05".')
    _refuse_numbers(prompts, change, discordance, power, rates)
    refuse_inverted(conditions, allowed_by=None)
    return plan_conditions(conditions, prompts, change, discordance, power, rates)


def plan_conditions(
    conditions: Sequence[Condition],
    prompts: Sequence[int],
    change: float | None,
    discordance: float,
    power: float,
    rates: Sequence[float],
) -> GatePlans:
    """Plans parsed conditions, with the arguments of `plan_gate`."""
    good = _rates([is_absolute(condition) for condition in conditions], rates)
    plans = tuple(
        plan_condition(
            condition,
            prompts=prompts,
            change=change,
            discordance=discordance,
            power=power,
            num_conditions=len(conditions),
            rate=rate,
        )
        for condition, rate in zip(conditions, good, strict=True)
    )
    return GatePlans(plans, plan_whole_gate(plans))


def _rates(absolute: Sequence[bool], given: Sequence[float]) -> list[float | None]:
    """Gives each condition with a level its rate. Raises ValueError where there are more or fewer rates than levels."""
    if given and not any(absolute):
        raise ValueError(
            "a rate is for a condition with a level, such as 'refusal < 0.5', and no condition has one; give no rate."
        )
    if given and len(given) != sum(absolute):
        told = counted(len(given), "rate is", "rates are")
        asked = counted(sum(absolute), "condition has", "conditions have")
        raise ValueError(
            f"{told} given, and {asked} a level, such as 'refusal < 0.5'; give one rate for each of them, or none."
        )
    rates = iter(given)
    return [next(rates, None) if is_level else None for is_level in absolute]


def _refuse_numbers(
    prompts: Sequence[int], change: float | None, discordance: float, power: float, rates: Sequence[float]
) -> None:
    """Raises ValueError for numbers of which no plan can be made."""
    _refuse_no_list("prompts", prompts, "numbers of prompts, such as [100, 400]")
    _refuse_no_list("rates", rates, "rates, such as [0.7]")
    if not prompts or not all(
        isinstance(number, int) and not isinstance(number, bool) and number > 0 for number in prompts
    ):
        raise ValueError(f"prompts is {prompts!r}; give a list of numbers of prompts, each 1 or more.")
    if change is not None and not -1 < _number(change) < 1:
        raise ValueError(f"change is {change!r}; give a number above -1 and below 1, such as 0.05, or leave it out.")
    if not 0 <= _number(discordance) < 1:
        raise ValueError(f"discordance is {discordance!r}; give a share of prompts of at least 0 and below 1.")
    if not 0.05 < _number(power) < 1:
        raise ValueError(f"power is {power!r}; give a share of cases above 0.05 and below 1.")
    for rate in rates:
        require_rate("a rate of rates", rate)


def _refuse_no_list(name: str, given: object, items: str) -> None:
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise ValueError(f"{name} is {given!r}; give a list of {items}.")


def _number(given: object) -> float:
    """Converts a number. What is none becomes NaN, which no bound allows."""
    return float(given) if isinstance(given, Real) and not isinstance(given, bool) else math.nan
