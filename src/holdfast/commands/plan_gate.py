"""`holdfast plan-gate`."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.validators import Number
from rich.table import Table
from rich.text import Text

from holdfast.commands.console import Json, show, table
from holdfast.evaluate.condition import parse_condition

if TYPE_CHECKING:
    from holdfast.plan.gate import GatePlan, WholeGatePlan

Share = Annotated[float, Parameter(validator=Number(gte=0, lt=1))]
Power = Annotated[float, Parameter(validator=Number(gt=0.05, lt=1))]
Counts = Annotated[
    tuple[Annotated[int, Parameter(validator=Number(gte=1, lte=1_000_000))], ...], Parameter(negative="")
]


def plan_gate(
    *,
    fail_if: Annotated[tuple[str, ...], Parameter(negative="")],
    prompts: Counts = (),
    change: Annotated[float | None, Parameter(validator=Number(gt=-1, lt=1))] = None,
    discordance: Share = 0.05,
    power: Power = 0.8,
    json: Json = False,
) -> None:
    """Say how many prompts a gate needs, before anything is run.

    A gate of `holdfast compare` fails, passes or cannot decide. This command predicts how often, for models that answer
    the same prompts: one that is as good as before, and one that is worse. Of several conditions it predicts each, and
    the whole gate, which passes only if all of them do.

    Example: holdfast plan-gate --fail-if "asr > before + 0.02"

    How many prompts show a rise of 2 points: holdfast plan-gate --fail-if "asr > before" --change 0.02

    Parameters
    ----------
    fail_if
        Condition of the gate: a share of prompts, and how much it may change, such as "refusal < before - 0.05". Give
        all conditions of the gate: with several, failing takes stronger evidence (Holm).
    prompts
        Numbers of prompts to plan for. Left out: 50 to 3,200.
    change
        True change for the worse that the gate must find, such as 0.05. Left out: 0.03 more than the condition allows.
    discordance
        Share of prompts whose verdict changes although both models are equally good, half of them each way. `compare`
        shows it for two earlier models: became and ceased, divided by n.
    power
        Share of cases in which the decision is to be right.
    json
        Print one JSON object in place of tables.
    """
    from holdfast.evaluate.inverted import refuse_inverted

    conditions = [parse_condition(text) for text in fail_if]
    refuse_inverted(conditions, "--allow-inverted to compare")
    from holdfast.plan.gate import USUAL_PROMPTS, plan_whole_gate
    from holdfast.plan.gate import plan_gate as plan

    plans = [
        plan(
            condition,
            prompts=prompts or USUAL_PROMPTS,
            change=change,
            discordance=discordance,
            power=power,
            num_conditions=len(conditions),
        )
        for condition in conditions
    ]
    whole = plan_whole_gate(plans)
    tables = [_lead(plans, whole), *map(_table, _alike(plans))]
    tables += [_whole_table(whole, len(plans))] if len(plans) > 1 else []
    result = {"plans": [one.to_json() for one in plans], "whole": asdict(whole)}
    show(result, tables, json, note=_notes(plans, whole, change))


def _lead(plans: "list[GatePlan]", whole: "WholeGatePlan") -> Text:
    """Says in one line how many prompts to take: to pass a model that is as good as before, and to catch a loss."""
    cases = f"in {whole.power:.0%} of cases"
    lines = [f"No number of prompts passes a model that is only as good as before {cases}: allow a change."]
    if whole.to_pass is not None:
        lines = [f"Take {whole.to_pass:,} prompts of each kind: a model that is as good as before then passes {cases}."]
    needed = [plan.to_fail for plan in plans if plan.to_fail is not None]
    if len(needed) == len(plans):
        change = max(plan.change for plan in plans)
        lines.append(f"Take {max(needed):,} to catch a model that is worse by {change:.3g} in one measure {cases}.")
    return Text(" ".join(lines))


def _alike(plans: "list[GatePlan]") -> "list[list[GatePlan]]":
    """Groups conditions with equal numbers, which share one table."""
    groups: list[list[GatePlan]] = []
    for plan in plans:
        group = next((one for one in groups if (one[0].rows, one[0].change) == (plan.rows, plan.change)), None)
        if group is None:
            groups.append([plan])
        else:
            group.append(plan)
    return groups


def _table(alike: "list[GatePlan]") -> Table:
    """Makes the table of conditions that have equal numbers."""
    plan = alike[0]
    columns = (
        "prompts",
        "passes if as good as before",
        f"fails if worse by {plan.change:.3g}",
        f"fails in {plan.power:.0%} of cases if worse by",
    )
    rows = [
        (
            f"{row.prompts:,}",
            f"{row.passes_equal:.0%}",
            f"{row.fails_worse:.0%}",
            "no change" if row.smallest is None else f"{row.smallest:.3f}",
        )
        for row in plan.rows
    ]
    conditions = ", and ".join(one.condition for one in alike)
    return table(f"{conditions}: share of cases in which the gate", columns, rows)


def _whole_table(whole: "WholeGatePlan", conditions: int) -> Table:
    rows = [
        (f"{prompts:,}", f"{independent:.0%}", f"{at_least:.0%}")
        for prompts, independent, at_least in zip(whole.prompts, whole.independent, whole.at_least, strict=True)
    ]
    columns = ("prompts of each kind", "passes if as good as before", "at least, however the measures depend")
    return table(f"The whole gate, all {conditions} conditions: share of cases in which it", columns, rows)


def _notes(plans: "list[GatePlan]", whole: "WholeGatePlan", change: float | None) -> str:
    lines = [line for plan in plans for line in _needs(plan)]
    if len(plans) > 1 and whole.to_pass is not None:
        lines.append(
            f"The whole gate: with {whole.to_pass:,} prompts of each kind a model that is as good as before passes all "
            f"{len(plans)} conditions in {whole.power:.0%} of cases, if they are passed independently. A model that is "
            "worse in one measure fails the gate at least as often as the table of that condition says."
        )
    if change is None:
        lines.append("The loss in the third column is 0.03 more than the condition allows. --change sets another one.")
    lines.append(
        f"Assumed: {plans[0].discordance:.3g} of the prompts change although both models are equally good "
        "(--discordance). In all other cases the gate cannot decide, and at most 5% are decided wrongly."
    )
    return "\n".join(lines)


def _needs(plan: "GatePlan") -> list[str]:
    cases = f"in {plan.power:.0%} of cases"
    if plan.to_pass is None:
        lines = [f"{plan.condition}: a model that is only as good as before never passes {cases}: allow a change."]
    else:
        lines = [f"{plan.condition}: with {plan.to_pass:,} prompts a model that is as good as before passes {cases}."]
    if plan.to_fail is not None:
        lines.append(
            f"{plan.condition}: with {plan.to_fail:,} prompts a model that is worse by {plan.change:.3g} fails {cases}."
        )
    return lines
