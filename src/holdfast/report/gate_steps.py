"""Says what a gate's result means, what to do next, and what the gate does not look at."""

from typing import NamedTuple

from holdfast.counts import agreeing, counted
from holdfast.measure_names import measure_words, without_condition
from holdfast.outcomes import Rate
from holdfast.p_values import p_text
from holdfast.printable import printable
from holdfast.report.comparison import ComparedMeasure, Comparison
from holdfast.report.gate_settings import COMMAND, GateSettings
from holdfast.report.overshoot import overshoot_steps
from holdfast.spelling import capitalize_first, joined

MEANINGS = {
    1: "The prompts show that a condition is met: this checkpoint lost what the gate protects.",
    2: "This is no valid gate, so nothing follows from it about this checkpoint.",
    3: "No condition is shown to be met, and these prompts are too few to show the opposite.",
}
PASSED = "The prompts show that no condition is met."
LET_PASS = "No condition is shown to be met. This gate lets conditions pass that the prompts cannot decide."
NOT_GATED = "No condition was given, so these numbers pass or fail nothing."
SAFETY = ("refusal", "coherent_refusal", "not_refused", "asr")
"""Beginnings of the names of measures of safety."""
NO_GATE = "Give conditions to make this comparison a gate, such as {conditions}."
RECORD = "Keep this page with both evaluations, as the record of the decision."
RESTORE = (
    "If fine-tuning cost the refusals, `holdfast restore` puts refusals back, and `holdfast adapt` with a mask or with "
    "`--method mixed` keeps them in the next run."
)
LEFT_OUT = "Left out are groups of prompts, because each is a part of a measure"
LEFT_OUT_BESIDE = ", and `not_refused` beside `refusal`, because it is 1 - `refusal`"
IDLE = "Replace the conditions that cannot fail: they pass whatever the new model does."
LOSSES = (
    "Decide whether to accept each loss that no condition gates, and that the warnings name: add a condition on it, or "
    "note beside this page why it may ship. Until then this page is no record of a decision on it."
)
UNWATCHED = "Add a condition on the loss of safety that the warnings name."
TOLERATED = (
    "Decide whether to accept the loss of safety that the conditions allow and the warnings name: tighten the "
    "condition, or note beside this page why the loss may ship."
)


class NotGated(NamedTuple):
    """A measure that no condition names."""

    words: str
    """The measure with its numbers, safe to print."""
    got_worse: bool
    """True if a loss is shown."""


def meaning(result: Comparison) -> str:
    """Says in a sentence what the exit code means."""
    if not result.conditions:
        return NOT_GATED
    if result.exit_code:
        return MEANINGS[result.exit_code]
    return LET_PASS if _open(result) else PASSED


def next_steps(result: Comparison, settings: GateSettings = COMMAND) -> list[str]:
    """Lists what to do next. Commands and settings stand between backticks."""
    if not result.conditions:
        return [*overshoot_steps(result), NO_GATE.format(conditions=settings.conditions)]
    failed = [one for one in result.conditions if one.outcome == "fails"]
    steps = []
    if failed:
        steps.append(f"Do not release this checkpoint as it is.{_answers(result)}")
        steps += [RESTORE] if any(one.measure.startswith(SAFETY) for one in failed) and not result.logs else []
    steps += [_decide(result, settings)] if _open(result) else []
    steps += [IDLE] if any(one.cannot_fail for one in result.conditions) else []
    steps += [UNWATCHED] if result.unwatched else []
    steps += [TOLERATED] if result.tolerated else []
    steps += [LOSSES] if len(result.ungated_losses) > len(result.unwatched) else []
    steps += overshoot_steps(result)
    return steps or [RECORD]


def not_gated(result: Comparison) -> str:
    """Says how many measures no condition names, and by which rule others are left out of that list."""
    number = len(not_gated_measures(result))
    left_out = f"{LEFT_OUT}{LEFT_OUT_BESIDE if 'not_refused' in result.measures else ''}."
    if not number:
        return f"Conditions look at every measure of the table. {left_out}"
    return (
        f"No condition looks at {agreeing(number, 'this', 'these')} {counted(number, 'measure')}. No change of "
        f"{agreeing(number, 'it', 'them')} can fail this gate. {left_out}"
    )


def not_gated_measures(result: Comparison) -> list[NotGated]:
    """Lists the measures that no condition names with their numbers. Those that got worse come first."""
    worse = [one.measure for one in result.ungated_losses]
    others = [name for name in _without_condition(result) if name not in worse]
    worse += [name for name in others if result.measures[name].got_worse]
    names = dict.fromkeys([*worse, *others])
    return [NotGated(printable(f"{_named(name)}: {_numbers(result.measures[name])}"), name in worse) for name in names]


def _without_condition(result: Comparison) -> list[str]:
    return without_condition(result.measures, {one.measure for one in result.conditions})


def _named(name: str) -> str:
    """Writes a measure in words, with the name that conditions use as code."""
    words = measure_words(name)
    return f"`{name}`" if words == name else f"{capitalize_first(words)} (`{name}`)"


def _numbers(measure: ComparedMeasure) -> str:
    """Writes both readings, and the corrected p of the paired test where there is one."""
    before, after = (_value(reading) for reading in (measure.before, measure.after))
    p_value = "" if measure.corrected_p is None else f", paired p {p_text(measure.corrected_p)} corrected"
    return f"{before} before, {after} after{p_value}."


def _value(reading: Rate | float | None) -> str:
    value = reading.value if isinstance(reading, Rate) else reading
    return "not measured" if value is None else f"{value:.3f}"


def _open(result: Comparison) -> list[str]:
    """Lists the conditions that the prompts cannot decide."""
    return [one.condition for one in result.conditions if one.outcome == "undecided" and not one.cannot_fail]


def _answers(result: Comparison) -> str:
    """Says how to read the answers. Empty where no file holds them."""
    if result.show_command is None:
        return ""
    return f" Read the answers first: `{result.show_command} --prompt TEXT` prints those to one prompt in full."


def _decide(result: Comparison, settings: GateSettings) -> str:
    """Says how to decide the conditions that are open."""
    ways = list(dict.fromkeys(way for one in result.conditions for way in one.remedies))
    accept = [f"accept what stays open with {settings.undecided}"] if result.undecided == "fail" else []
    advice = joined([*ways, *accept], "or")
    number = counted(len(_open(result)), "undecided condition")
    return (
        f"To decide {number}: {advice}. Each says above how many prompts it takes, and `holdfast plan-gate` predicts "
        "that for other conditions."
    )
