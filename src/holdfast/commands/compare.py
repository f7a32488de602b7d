"""`holdfast compare`."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple, cast

from cyclopts import Parameter
from rich.console import RenderableType

from holdfast.artifacts import save_text
from holdfast.commands.console import Json, show, warn
from holdfast.commands.judge_cards import show_cards
from holdfast.evaluate.compared import Compared, Reading
from holdfast.evaluate.comparing import GateOptions, compare_logs, compare_sides, load_sides
from holdfast.evaluate.condition import PLAIN_NAME, Condition, parse_condition
from holdfast.evaluate.finding import Finding
from holdfast.evaluate.gate import Gate, Undecided
from holdfast.evaluate.inverted import refuse_inverted
from holdfast.evaluate.logs.log import Log
from holdfast.evaluate.logs.readers import read_logs
from holdfast.evaluate.paired import PairedPrompt
from holdfast.evaluate.scale import counted_word, rise_is_good
from holdfast.evaluation_settings import settings_words
from holdfast.made_by import model_fingerprint
from holdfast.option_groups import OUTPUT
from holdfast.outcomes import Evaluation, Rate
from holdfast.pipeline.outputs import refuse_existing
from holdfast.printable import printable
from holdfast.progress import hidden
from holdfast.report.gate import UNKNOWN_SETTINGS, gate_tables, narrow, render_junit, table_notes
from holdfast.report.gate_markdown import render_markdown
from holdfast.report.schema import paired_json, rate_json
from holdfast.report.tables import to_rich

NOTHING_GATED = (
    "Nothing is gated, so the exit code says nothing: give conditions, such as "
    '--fail-if "refusal < before - 0.05" --fail-if "over_refusal > before + 0.05".'
)
SHOWN_RESPONSES = 20
"""Prompts of a condition that are listed with both responses."""


def compare(
    before: Path,
    after: Path,
    *,
    fail_if: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    measure: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    before_fingerprint: str | None = None,
    after_fingerprint: str | None = None,
    undecided: Undecided = "fail",
    strict: Annotated[bool, Parameter(negative="")] = False,
    allow_inverted: Annotated[bool, Parameter(negative="")] = False,
    judge_card: Annotated[tuple[Path, ...], Parameter(negative="")] = (),
    junit: Annotated[Path | None, OUTPUT] = None,
    markdown: Annotated[Path | None, OUTPUT] = None,
    json: Json = False,
) -> None:
    """Compare two evaluations prompt by prompt, as a gate for releases.

    Example: holdfast compare before.json after.json --fail-if "refusal < before - 0.05"
    --fail-if "over_refusal > before + 0.05"

    With a judge: holdfast compare before.json after.json --fail-if "asr > before + 0.02"

    Every condition fails, passes or stays undecided. It fails if the change is shown to be beyond the threshold, and
    passes if it is shown not to be. Each is wrong in at most 5% of cases. Else the prompts are too few, and `compare`
    says how many would decide. `holdfast plan-gate` says so before anything is run.

    Exit codes: 0: every condition passed. 1: a condition failed. 2: any other error, such as a measure that is missing
    or conditions that cannot fail, whatever the second model does. 3: none failed, and one is undecided.

    Parameters
    ----------
    before
        Evaluation of the first checkpoint by `holdfast evaluate`, or a log of inspect, lm-eval (its folder) or garak.
    after
        Evaluation of the second, made with the same judge, prompt sets and settings, or a log of the same task.
    fail_if
        Condition that fails the gate: MEASURE OPERATOR SUM, such as "refusal < before - 0.05". Give it several times
        for several conditions.

        - MEASURE: refusal, asr (needs a judge), asr_prefilled, over_refusal, borderline, coherence, coherent_refusal,
          utility, task, perplexity, response_length (tokens, harmless prompts), or a group such as asr/heldout or
          kl/harmless; without a judge also not_refused, the share that is not refused
        - OPERATOR: >, >=, < or <=
        - SUM: numbers and `before`, the measure of the first file, also with a factor: "perplexity > before * 1.5"
        - .low, .high: the ends of its 95% interval, as in asr.high. They are compared as they are
        - .unscored: the number of responses without a verdict
        - and p < 0.05: needs a p as small by the paired test, too, to fail
    measure
        Measure of two logs to compare, such as includes or acc. The default is all.
    undecided
        What an undecided condition does: fail with exit code 3, pass with a warning, or pass.
    before_fingerprint
        Fingerprint that the model of BEFORE must have: all of it, or its first 12 digits or more. `holdfast show
        BEFORE` prints it.
    after_fingerprint
        Fingerprint that the model of AFTER must have, in the same way.
    strict
        Ends with exit code 2 if any condition cannot fail, and not only if none can.
    allow_inverted
        Accepts a condition that fails a gain, such as "refusal > before - 0.05", as a negative control needs it.
        Without this option it is refused, because it passes a model that lost every refusal.
    judge_card
        Card of a judge, from `holdfast judge-card`. Shows corrected rates. Conditions take the measured ones.
    junit
        File for JUnit XML, with one test case per condition.
    markdown
        File for the tables as Markdown.
    json
        Print one JSON object in place of tables.
    """
    conditions = [parse_condition(text) for text in fail_if]
    if not allow_inverted:
        refuse_inverted(conditions, "--allow-inverted")  # before any file is read
    if junit and not conditions:
        raise ValueError("JUnit XML lists conditions, and there is none; give --fail-if, or leave out --junit.")
    for out in filter(None, (junit, markdown)):
        refuse_existing(out)
    options = GateOptions(allow_inverted, strict, undecided, (before_fingerprint, after_fingerprint))
    compared = _compare((before, after), conditions, options, _Beside(judge_card, measure))
    outcome, result = compared.gate, compared.result
    if junit:
        save_text(junit, render_junit(result))
    if markdown:
        save_text(markdown, "\n".join(filter(None, (render_markdown(result), compared.section))))
    _warn_of(outcome)
    notes = [] if hidden.get() else table_notes(result)
    notes += [compared.note] if compared.note and not hidden.get() else []
    notes += [] if outcome.settings_known else [UNKNOWN_SETTINGS]
    notes += [] if conditions or hidden.get() else [compared.nothing_gated]
    notes += [f"{outcome.verdict}."] if outcome.verdict and outcome.passed else []
    tables = [*(to_rich(narrow(table)) for table in gate_tables(result)), *compared.tables]
    show({**result, **compared.of_cards}, tables, json, note="\n".join(notes) or None)
    outcome.refuse_failed(compared.answers)


class _Beside(NamedTuple):
    """Options of one kind of input: two evaluations have cards of their judges, two logs chosen measures."""

    judge_card: tuple[Path, ...]
    measure: tuple[str, ...]


class _Compared(NamedTuple):
    """A gate with the COMPARISON that `report.gate` describes, and what is printed beside it."""

    gate: Gate
    result: dict[str, Any]
    note: str
    answers: str | None = None
    """File whose answers `holdfast show` shows."""
    nothing_gated: str = NOTHING_GATED
    tables: Sequence[RenderableType] = ()
    of_cards: Mapping[str, Any] = MappingProxyType({})
    section: str = ""
    """Markdown about the cards of the judges."""


def _compare(
    files: tuple[Path, Path], conditions: Sequence[Condition], options: GateOptions, beside: _Beside
) -> _Compared:
    """Compares two evaluations, or two logs of another program."""
    logs = read_logs(*files)
    if logs is not None:
        return _compare_logs(files, logs, conditions, options, beside)
    if beside.measure:
        raise ValueError(
            f"--measure {beside.measure[0]!r} chooses among the measures of logs of other programs, and evaluations "
            "are compared in all; leave it out."
        )
    sides = load_sides(*files)
    outcome = compare_sides(sides, conditions, options)
    base, other = (side.evaluation for side in sides)
    cards = show_cards({"before": base, "after": other}, beside.judge_card)
    result = _result(files, (base, other), outcome)
    shown = {"tables": cards.tables, "of_cards": cards.result, "section": cards.section()}
    return _Compared(outcome, result, cards.note, str(files[1]), **shown)


def _compare_logs(
    files: tuple[Path, Path],
    logs: tuple[Log, Log],
    conditions: Sequence[Condition],
    options: GateOptions,
    beside: _Beside,
) -> _Compared:
    if beside.judge_card:
        raise ValueError("logs of other programs have no card of their judge; leave out --judge-card.")
    found = compare_logs(logs, conditions, options, beside.measure)
    matched = found.matched
    counts = {"samples": len(matched.pairs), "only_before": matched.only_before, "only_after": matched.only_after}
    about = {
        **{name: str(path) for name, path in zip(("before", "after"), files, strict=True)},
        "models": [log.model for log in logs],
        **{name: [None, None] for name in ("fingerprints", "versions", "judges")},
        "settings": {},
        "logs": {"program": logs[0].program, "matched": str(matched), **counts},
    }
    result = about | _result_of_gate(found.gate)
    return _Compared(found.gate, result, f"Compared: {matched}.", nothing_gated=_nothing_gated(found.gate))


def _nothing_gated(outcome: Gate) -> str:
    """Asks for a condition on the first measure of two logs."""
    name = next(iter(outcome.measures))
    compared = "> before + 0.05" if rise_is_good(name) is False else "< before - 0.05"
    example = f"{name if PLAIN_NAME.fullmatch(name) else repr(name)} {compared}"
    return (
        f'Nothing is gated, so the exit code says nothing: give conditions, such as --fail-if "{printable(example)}".'
    )


def _warn_of(outcome: Gate) -> None:
    """Prints the gate's warnings, and those on conditions that could not fail or, if asked for, not be decided."""
    for sentence in outcome.warnings:
        warn(sentence)
    for finding in outcome.findings:
        if finding.cannot_fail and not outcome.decides_too_little:
            warn(printable(f"{finding.condition!r} cannot fail: {finding.cannot_fail}."))
    for finding in outcome.open_conditions if outcome.undecided == "warn" else []:
        warn(printable(f"{finding.condition!r} could not be decided: {finding.why_undecided}."))


def _result(files: tuple[Path, Path], evaluations: tuple[Evaluation, Evaluation], outcome: Gate) -> dict[str, Any]:
    """Builds the COMPARISON that `report.gate` describes."""
    made_by = [evaluation.made_by for evaluation in evaluations]
    return {
        "before": str(files[0]),
        "after": str(files[1]),
        "models": [_named(evaluation, "model") for evaluation in evaluations],
        "fingerprints": [model_fingerprint(made) for made in made_by],
        "versions": [cast(str | None, made.get("holdfast")) for made in made_by],
        "judges": [_named(evaluation, "judge") for evaluation in evaluations],
        "settings": settings_words(made_by[1]) if outcome.settings_known else {},
        **_result_of_gate(outcome),
    }


def _result_of_gate(outcome: Gate) -> dict[str, Any]:
    return {
        "passed": outcome.passed,
        "verdict": outcome.verdict,
        "undecided": outcome.undecided,
        "settings_known": outcome.settings_known,
        "warnings": list(outcome.warnings),
        "measures": {name: _measure(compared) for name, compared in outcome.measures.items()},
        "conditions": [_condition(finding) for finding in outcome.findings],
    }


def _condition(finding: Finding) -> dict[str, Any]:
    word, changed = counted_word(finding.weighed.measure.name), finding.changed
    return {
        "condition": finding.condition,
        "outcome": finding.outcome,
        "passed": finding.passed,
        "numbers": finding.numbers,
        "prompts": list(finding.prompts),
        "changed": [_changed(one, word) for one in changed[:SHOWN_RESPONSES]],
        "num_prompts": len(changed),
        "bounds": asdict(finding.bounds) if finding.bounds else None,
        "p_fails": finding.p_fails,
        "p_passes": finding.p_passes,
        "why_undecided": finding.why_undecided,
        "cannot_fail": finding.cannot_fail,
    }


def _changed(one: PairedPrompt, word: str) -> dict[str, Any]:
    """Describes a prompt whose outcome changed, with both responses."""
    before, after = (word if counts else f"not {word}".replace("not not ", "") for counts in (one.before, one.after))
    return {"prompt": one.prompt, "before": before, "after": after, "responses": list(one.responses)}


def _named(evaluation: Evaluation, what: str) -> str | None:
    """Returns the name of an evaluation's model or judge. None if its file has no such name, or no judge was used."""
    entry = evaluation.made_by.get(what)
    return str(entry["name"]) if isinstance(entry, Mapping) and "name" in entry else None


def _measure(compared: Compared) -> dict[str, Any]:
    return {
        "before": _reading(compared.before),
        "after": _reading(compared.after),
        "difference": compared.difference,
        "change": asdict(compared.change) if compared.change else None,
        "paired": paired_json({compared.name: compared.paired})[compared.name] if compared.paired else None,
        "corrected_p": compared.corrected_p,
        "ratio": asdict(compared.ratio) if compared.ratio else None,
        "lengths": asdict(compared.lengths) if compared.lengths else None,
        "mean": asdict(compared.mean) if compared.mean else None,
        "lost": compared.lost.count if compared.lost else 0,
    }


def _reading(reading: Reading | None) -> dict[str, Any] | float | None:
    return rate_json(reading) if isinstance(reading, Rate) else reading
