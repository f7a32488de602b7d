"""Comparison of two evaluations, for scripts and for `holdfast compare`: both make the same checks in one order."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from holdfast.arguments import checked_call, require
from holdfast.artifacts import load_evaluation
from holdfast.evaluate.condition import Condition, conditions_of
from holdfast.evaluate.consistent import require_consistent
from holdfast.evaluate.gate import Gate, GateOptions, Undecided, common_fingerprint, gate
from holdfast.evaluate.logs.comparing import gate_logs
from holdfast.evaluate.logs.log import Log
from holdfast.evaluate.logs.order import require_order
from holdfast.evaluate.logs.readers import read_logs, refuse_fingerprints, refuse_log
from holdfast.evaluate.pinned import Pins, require_models, require_names, require_told_apart
from holdfast.evaluate.provenance import require_alike, require_provenance, warning_of_provenance
from holdfast.evaluate.rejudged import require_rules_agree
from holdfast.evaluate.suspicious import refuse_unproven_copy
from holdfast.outcomes import Evaluation


class Side(NamedTuple):
    """One of the two evaluations, and its name in error messages: the path of its file, or its place."""

    evaluation: Evaluation
    name: str
    file: str | None = None
    """Path of its file. None for an evaluation in memory."""


class Words(NamedTuple):
    """Words for the settings that errors and warnings name: those of Python, or options of the command."""

    unchanged: str = "allow_unchanged=True"
    """Accepts two evaluations of the same weights."""
    mismatch: str = "allow_mismatch=True"
    """Accepts two logs that differ in more than the model."""
    limit: str = "max_new_tokens"
    """Sets the longest response."""
    names: str = "before_model and after_model"
    """Pin the names of both models."""
    fingerprints: str = "before_fingerprint and after_fingerprint"
    """Pin the fingerprints of both models."""


@checked_call
def compare(
    before: Evaluation | str | Path,
    after: Evaluation | str | Path,
    fail_if: Sequence[str] = (),
    *,
    allow_inverted: bool = False,
    allow_mismatch: bool = False,
    allow_unchanged: bool = False,
    before_fingerprint: str | None = None,
    after_fingerprint: str | None = None,
    before_model: str | None = None,
    after_model: str | None = None,
    strict: bool = False,
    undecided: Undecided = "fail",
    measure: Sequence[str] = (),
) -> Gate:
    """Compares every measure of two evaluations of the same prompts, and checks the conditions of a gate.

    Two paths may also lead to logs of inspect, lm-eval or garak, whose samples are matched by their ids or hashes.

    Print the result to read it. `.measures["refusal"]` has both rates, their change and the paired counts. `.passed`
    is True where every condition passed, as is `bool()` of the result. `.refuse_failed()` raises a GateError where the
    gate did not pass, whatever the reason. Without conditions nothing is gated: `.passed` is False, and
    `.refuse_failed()` raises.

    Example:
        >>> after = evaluate(result.tuned, None, suite, GenerateOptions(max_new_tokens=32))
        >>> comparison = compare(before, after, fail_if=["refusal < before - 0.05"])
        >>> change = comparison.measures["refusal"].change

    Args:
        before: the evaluation of the first model, or the path of its file or of another program's log.
        after: the evaluation of the second model, made with the same judge, prompts and settings.
        fail_if: conditions as in `holdfast compare --fail-if`, such as "refusal < before - 0.05".
        allow_inverted: whether a condition that only a gain can meet is warned of, and not refused.
        allow_mismatch: whether conditions are checked on two logs of another program that differ in more than the
            model, or that share less than 90% of their samples.
        allow_unchanged: whether conditions are checked on two evaluations of the same weights.
        before_fingerprint: the fingerprint of the model that `before` must be of, or its first 12 digits or more.
        after_fingerprint: the same for the model of `after`.
        before_model: the name that the model of `before` must have in its file, such as "mockllm/before" in a log of
            inspect. Logs of other programs record no fingerprint.
        after_model: the same for the model of `after`.
        strict: whether every condition must be able to fail. Else the gate passes by those that can. A strict gate also
            needs the fingerprint or the name of one model, so that a swap is refused. It refuses an evaluation that
            does not record how it was made, and passes only if at least one condition is decided.
        undecided: what a condition does that the prompts cannot decide: "fail" the gate, "warn" or "pass".
        measure: names of the measures of two logs to compare, such as ["includes"]. By default all are compared, and p
            values are corrected for their number.

    Raises:
        ValueError: both evaluations are the same or of the same weights, their prompts or settings differ, a condition
            does not parse, or it names a measure that was not measured. Or a rate contradicts the answers of its
            evaluation, a model is another one than the fingerprint or the name that is given, or a condition is
            inverted. Or the gate is strict and has no condition.
    """
    conditions = conditions_of(fail_if)
    _require_some(fail_if, conditions, strict)
    options = GateOptions(allow_inverted, strict, undecided, allow_mismatch, allow_unchanged)
    pinned = Pins(before_fingerprint, after_fingerprint, before_model, after_model)
    if isinstance(before, str | Path) and isinstance(after, str | Path):
        logs = read_logs(Path(before), Path(after))
        if logs is not None:
            return compare_logs(logs, conditions, options, pinned, _names_of(measure))
    if _names_of(measure):
        raise ValueError(
            f"measure {list(measure)!r} chooses among the measures of logs of other programs, and evaluations are "
            "compared in all; leave it out."
        )
    return compare_sides(load_sides(before, after), conditions, options, pinned)


def _require_some(fail_if: Sequence[str], conditions: Sequence[Condition], strict: bool) -> None:
    """Raises ValueError where a gate is asked for and there is no condition."""
    if strict and not conditions:
        raise ValueError(
            "strict=True asks that every condition can fail, and there is none; give one in fail_if, or leave it out."
        )
    if isinstance(fail_if, list) and not conditions:
        raise ValueError(
            "fail_if is an empty list, so nothing would be gated; give a condition, or leave fail_if out to compare "
            "without a gate."
        )


def compare_logs(
    logs: tuple[Log, Log],
    conditions: Sequence[Condition],
    options: GateOptions,
    pinned: Pins = Pins(),
    measures: Sequence[str] = (),
    words: Words = Words(),
) -> Gate:
    """Compares two logs of another program.

    Args:
        logs: the two logs.
        conditions: each fails the gate if it is shown to be met.
        options: options of the gate.
        pinned: the models that the logs must be of.
        measures: names of the measures to compare. Without any, all are compared.
        words: words for settings, for errors.

    Raises:
        ValueError: a fingerprint is given, which no log records, a log names another model than the given one, the
            gate is strict and nobody could see a swap, or the gate can't be decided (`gate_logs`).
    """
    refuse_fingerprints(*pinned.fingerprints)
    require_names((logs[0].model, logs[1].model), pinned)
    if options.strict and conditions:
        require_order(*logs, pinned, words.names)
    return gate_logs(*logs, conditions, options, measures, words.mismatch)


def load_sides(before: Evaluation | str | Path, after: Evaluation | str | Path) -> tuple[Side, Side]:
    """Loads both evaluations. Raises ValueError where both paths lead to one file, as every gate would then pass."""
    sides = _loaded(before, "before"), _loaded(after, "after")
    if isinstance(before, str | Path) and isinstance(after, str | Path) and Path(before).samefile(after):
        raise ValueError(
            f"{sides[0].name} is given twice, as before and as after; give the evaluations of two checkpoints."
        )
    return sides


def compare_sides(
    sides: tuple[Side, Side],
    conditions: Sequence[Condition],
    options: GateOptions,
    pinned: Pins = Pins(),
    words: Words = Words(),
) -> Gate:
    """Compares two evaluations.

    Args:
        sides: the two evaluations.
        conditions: each fails the gate if it is shown to be met.
        options: options of the gate.
        pinned: the models that the evaluations must be of.
        words: words for settings, for errors and warnings.

    Raises:
        ValueError: both are equal or of the same weights, one contradicts its answers or is of another model than the
            pinned one, or the gate can't be decided (`gate`). Or the gate is strict, and one does not record how it
            was made, or nobody could see a swap.
    """
    for side in sides:
        require_consistent(side.evaluation, side.name)
        require_rules_agree(side.evaluation, side.name)
    first, second = (side.evaluation for side in sides)
    require_models((first, second), pinned)
    if first == second:
        names = " and ".join(side.name for side in sides)
        raise ValueError(f"{names} hold the same evaluation; give the evaluations of two checkpoints.")
    if options.strict and conditions:
        for side in sides:
            require_provenance(side.evaluation.made_by, side.name)
        require_alike((first.made_by, second.made_by), (sides[0].name, sides[1].name))
        refuse_unproven_copy(first, second)
    found = gate(first, second, conditions, options, words.unchanged, words.limit)
    is_control = options.allow_unchanged and common_fingerprint(first, second) is not None
    if options.strict and conditions and not is_control:
        require_told_apart((first, second), pinned, words.names, words.fingerprints)
    before, after = (replace(about, file=side.file) for about, side in zip(found.sides, sides, strict=True))
    unknown = tuple(filter(None, (warning_of_provenance(side.evaluation.made_by, side.name) for side in sides)))
    warnings, losses = (*unknown, *found.warnings), (*unknown, *found.losses)
    return replace(found, sides=(before, after), warnings=warnings, losses=losses)


def _names_of(measure: Sequence[str]) -> Sequence[str]:
    """Returns names of measures. Raises ValueError where one text is given in place of a list."""
    if isinstance(measure, str):
        raise ValueError(f"measure is a list of names, got one text; give [{measure!r}].")
    return measure


def _loaded(given: Evaluation | str | Path, which: str) -> Side:
    if isinstance(given, str | Path):
        refuse_log(Path(given))
        return Side(load_evaluation(Path(given)), repr(str(given)), str(given))
    require(given, Evaluation, "give what `evaluate` returns, or the path of a file of `holdfast evaluate`")
    return Side(given, f"the evaluation {which}")
