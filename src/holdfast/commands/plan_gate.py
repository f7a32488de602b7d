"""`holdfast plan-gate`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from pydantic import Field
from rich.table import Table
from rich.text import Text

from holdfast.commands.console import Json, show, table, unless_quiet
from holdfast.config import Options
from holdfast.evaluate.condition import parse_conditions

if TYPE_CHECKING:
    from holdfast.plan.gate import GatePlan, WholeGatePlan
    from holdfast.plan.gate_plans import GatePlans

Rate = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]


class PlanFlags(Options):
    """The numbers of prompts to plan for, and the assumptions of a plan."""

    prompts: Annotated[tuple[Count, ...], Parameter(negative="")] = ()
    """Numbers of prompts to plan for. Left out: 50 to 3,200."""
    change: Annotated[float | None, Field(gt=-1, lt=1)] = None
    """True change for the worse that the gate must find, such as 0.05. Left out: 0.03 more than the condition allows.
    With a level it is the change from --rate."""
    discordance: float = Field(default=0.05, ge=0, lt=1)
    """Share of prompts on which two equally good models differ, half of them each way. Take it from `compare` of two
    earlier models: add "became" and "ceased", and divide by n."""
    power: float = Field(default=0.8, gt=0.05, lt=1)
    """Share of cases in which the decision is to be right."""
    rate: Annotated[tuple[Rate, ...], Parameter(negative="")] = ()
    """Share that the measure has in a good model, such as 0.7, for each condition with a level, in their order. Left
    out: 0.1 better than the level."""


def plan_gate(
    *,
    fail_if: Annotated[tuple[str, ...], Parameter(negative="")],
    assumed: Annotated[PlanFlags, Parameter(name="*")] = PlanFlags(),
    json: Json = False,
) -> None:
    """Say how many prompts a gate needs, before anything is run.

    A gate of `holdfast compare` fails, passes or cannot decide. This command predicts how often, for models that answer
    the same prompts: one that is as good as before, and one that is worse. Of several conditions it predicts each, and
    the whole gate, which passes only if all of them do.

    Example: holdfast plan-gate --fail-if "asr > before + 0.02"

    How many prompts show a rise of 2 points: holdfast plan-gate --fail-if "asr > before" --change 0.02

    A level that a measure must not cross: holdfast plan-gate --fail-if "refusal < 0.5" --rate 0.7

    It plans no perplexity, response length or factor of `before`, no .low, .high, .unscored and no p: how many prompts
    these need depends on the responses themselves, so evaluate both models on some prompts, and `compare` says it.

    Parameters
    ----------
    fail_if
        Condition of the gate: a share of prompts, and how much it may change, such as "refusal < before - 0.05", or a
        level, such as "refusal < 0.5". Give all conditions of the gate: with several, failing takes stronger evidence
        (Holm).
    json
        Print one JSON object in place of tables.
    """
    from holdfast.evaluate.inverted import refuse_inverted

    conditions = parse_conditions(fail_if)
    refuse_inverted(conditions, allowed_by=None)
    from holdfast.plan.gate import USUAL_PROMPTS
    from holdfast.plan.gate_plans import plan_conditions

    prompts = assumed.prompts or USUAL_PROMPTS
    planned = plan_conditions(conditions, prompts, assumed.change, assumed.discordance, assumed.power, assumed.rate)
    plans, whole = planned.plans, planned.whole
    tables = [Text(planned.advice), *map(_table, _alike(plans))]
    tables += [_whole_table(whole, len(plans), planned.good)] if len(plans) > 1 else []
    show(planned.to_json(), tables, json, note=_notes(planned, assumed.change))


def _alike(plans: "Sequence[GatePlan]") -> "list[list[GatePlan]]":
    """Groups conditions with equal numbers, which share one table."""
    groups: list[list[GatePlan]] = []
    for plan in plans:
        numbers = (plan.rows, plan.change, plan.rate)
        group = next((known for known in groups if (known[0].rows, known[0].change, known[0].rate) == numbers), None)
        if group is None:
            groups.append([plan])
        else:
            group.append(plan)
    return groups


def _table(alike: "list[GatePlan]") -> Table:
    """Makes the table of conditions that have equal numbers."""
    from holdfast.plan.gate_plans import plan_cells

    plan = alike[0]
    cases = f"smallest loss found in {plan.power:.0%} of cases"
    columns = ("prompts", f"passes if {plan.good}", f"fails if {plan.bad}", cases)
    rows = [*map(plan_cells, plan.rows)]
    conditions = ", and ".join(equal.condition for equal in alike)
    return table(f"{conditions}: share of cases in which the gate", columns, rows)


def _whole_table(whole: "WholeGatePlan", conditions: int, good: str) -> Table:
    rows = [
        (f"{prompts:,}", f"{independent:.0%}", f"{at_least:.0%}")
        for prompts, independent, at_least in zip(whole.prompts, whole.independent, whole.at_least, strict=True)
    ]
    columns = ("prompts of each kind", f"passes if {good}", "at least, however the measures depend")
    return table(f"The whole gate, all {conditions} conditions: share of cases in which it", columns, rows)


def _notes(planned: "GatePlans", change: float | None) -> str:
    """Writes what each condition needs and, unless quiet, how to read it and what is assumed."""
    lines = [line for plan in planned.plans for line in _needs(plan)]
    return "\n".join([*lines, unless_quiet("\n".join(_explained(planned, change)))]).rstrip()


def _explained(planned: "GatePlans", change: float | None) -> list[str]:
    plans, whole, lines = planned.plans, planned.whole, []
    if len(plans) > 1 and whole.to_pass is not None:
        lines.append(
            f"The whole gate: with {whole.to_pass:,} prompts of each kind a model that is {planned.good} passes all "
            f"{len(plans)} conditions in {whole.power:.0%} of cases, if they are passed independently. A model that is "
            "worse in one measure fails the gate at least as often as the table of that condition says."
        )
    if change is None:
        lines.append("The loss in the third column is 0.03 more than the condition allows. --change sets another one.")
    lines.append(
        f"Assumed: {', and '.join(_assumed(plans))}. In all other cases the gate cannot decide, and at most 5% are "
        "decided wrongly."
    )
    return lines


def _assumed(plans: "Sequence[GatePlan]") -> list[str]:
    """Lists the assumptions: the prompts that change by chance, and the rates of a good model."""
    paired = [one for one in plans if one.rate is None]
    rates = dict.fromkeys(f"{one.measure} is {one.rate:.3g}" for one in plans if one.rate is not None)
    change = "of the prompts get better or worse by chance, half each, although both models are equally good"
    return [
        *([f"{paired[0].discordance:.3g} {change} (--discordance)"] if paired else []),
        *([f"{' and '.join(rates)} in a good model (--rate)"] if rates else []),
    ]


def _needs(plan: "GatePlan") -> list[str]:
    cases = f"in {plan.power:.0%} of cases"
    good = "as good as before" if plan.rate is None else "as good as expected"
    if plan.to_pass is None:
        lines = [f"{plan.condition}: a model that is only {good} never passes {cases}: allow a change."]
    else:
        lines = [f"{plan.condition}: with {plan.to_pass:,} prompts a model that is {good} passes {cases}."]
    if plan.to_fail is not None:
        lines.append(
            f"{plan.condition}: with {plan.to_fail:,} prompts a model that is worse by {plan.change:.3g} fails {cases}."
        )
    return lines
