"""`holdfast compare`."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from holdfast.artifacts import load_evaluation, save_text
from holdfast.commands.console import Json, show, warn
from holdfast.evaluate.compared import Compared, Reading
from holdfast.evaluate.condition import parse_condition
from holdfast.evaluate.consistent import require_consistent
from holdfast.evaluate.gate import Gate, gate
from holdfast.evaluate.inverted import refuse_inverted
from holdfast.evaluate.pinned import require_models
from holdfast.option_groups import OUTPUT
from holdfast.outcomes import Evaluation, Rate
from holdfast.pipeline.outputs import refuse_existing
from holdfast.printable import printable
from holdfast.progress import hidden
from holdfast.report.gate import UNKNOWN_SETTINGS, gate_tables, narrow, render_junit, render_markdown
from holdfast.report.schema import paired_json, rate_json
from holdfast.report.tables import to_rich

NOTHING_GATED = (
    "Nothing is gated, so the exit code says nothing: give a condition, such as "
    '--fail-if "refusal < before - 0.05 and p < 0.05".'
)


def compare(
    before: Path,
    after: Path,
    *,
    fail_if: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    before_fingerprint: str | None = None,
    after_fingerprint: str | None = None,
    strict: Annotated[bool, Parameter(negative="")] = False,
    allow_inverted: Annotated[bool, Parameter(negative="")] = False,
    junit: Annotated[Path | None, OUTPUT] = None,
    markdown: Annotated[Path | None, OUTPUT] = None,
    json: Json = False,
) -> None:
    """Compare two evaluations prompt by prompt, as a gate for releases.

    Example: holdfast compare before.json after.json --fail-if "refusal < before - 0.05 and p < 0.05"

    With a judge: holdfast compare before.json after.json --fail-if "asr > before + 0.02 and p < 0.05"

    Exit codes: 0: no condition is met. 1: a condition is met. 2: any other error, such as a condition on a measure that
    is missing, one that only a gain can meet, or conditions that cannot fail.

    Some conditions cannot fail, whatever the second model does. "refusal < before - 0.05" needs a rate below 0 if
    before is 0.02. "p < 0.05" needs 6 changed prompts: if the first model refused only 5 and the second none, p is
    0.062. The table marks such a condition. While another condition can fail, `compare` warns and decides by that one.

    Parameters
    ----------
    before
        Evaluation of the first checkpoint, which `holdfast evaluate` wrote.
    after
        Evaluation of the second, made with the same judge, prompt sets and settings.
    fail_if
        Condition that fails the gate: MEASURE OPERATOR SUM, such as "refusal < before - 0.05". Give it several times
        for several conditions: one that is met fails the gate.

        - MEASURE: refusal, asr (needs a judge), asr_prefilled, over_refusal, borderline, coherence, coherent_refusal,
          utility, task, perplexity, or a group such as asr/heldout or kl/harmless. not_refused is 1 - refusal, if there
          was no judge
        - .low, .high: the ends of its 95% interval, as in asr.high
        - .unscored: the number of responses without a verdict
        - OPERATOR: >, >=, < or <=
        - SUM: adds and subtracts numbers and `before`, the same measure of the first file
        - and p < 0.05: needs a significant change too, by the paired test. It can fail from 6 prompts on that changed
          one way
    before_fingerprint
        Fingerprint that the model of BEFORE must have: all of it, or its first 12 digits or more, as `holdfast show
        BEFORE` prints it. An evaluation of another model is refused with exit code 2.
    after_fingerprint
        Fingerprint that the model of AFTER must have, in the same way.
    strict
        Ends with exit code 2 if any condition cannot fail. Without this option one that can fail is enough.
    allow_inverted
        Accepts a condition that only a gain can meet, such as "refusal > before - 0.05". Without this option
        such a condition is refused, since it passes when every refusal is lost. A negative control needs it: a damaged
        checkpoint must lose refusals.
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
    base, other = load_evaluation(before), load_evaluation(after)
    _refuse_same(before, after)
    for evaluation, path in ((base, before), (other, after)):
        require_consistent(evaluation, repr(str(path)))
    require_models((base, other), before_fingerprint, after_fingerprint)
    outcome = gate(base, other, conditions, allow_inverted=allow_inverted, strict=strict)
    result = _result((before, after), (base, other), outcome)
    if junit:
        save_text(junit, render_junit(result))
    if markdown:
        save_text(markdown, render_markdown(result))
    for sentence in outcome.warnings:
        warn(sentence)
    notes = [] if outcome.settings_known else [UNKNOWN_SETTINGS]
    notes += [] if conditions or hidden.get() else [NOTHING_GATED]
    notes += [f"{outcome.verdict}."] if outcome.verdict and outcome.passed else []
    for finding in outcome.findings:
        if finding.cannot_fail and not outcome.decides_too_little:
            warn(printable(f"{finding.condition!r} cannot fail: {finding.cannot_fail}."))
    show(result, [to_rich(narrow(table)) for table in gate_tables(result)], json, note="\n".join(notes) or None)
    outcome.refuse_failed(str(after))


def _refuse_same(before: Path, after: Path) -> None:
    """Raises ValueError when both paths lead to one file, or to equal files, because every gate would then pass."""
    if before.samefile(after):
        raise ValueError(
            f"{str(before)!r} is given twice, as before and as after; give the evaluations of two checkpoints."
        )
    if before.read_bytes() == after.read_bytes():
        raise ValueError(
            f"{str(before)!r} and {str(after)!r} hold the same evaluation, byte for byte; give the evaluations of two "
            "checkpoints."
        )


def _result(files: tuple[Path, Path], evaluations: tuple[Evaluation, Evaluation], outcome: Gate) -> dict[str, Any]:
    """Builds the COMPARISON that `report.gate` describes."""
    return {
        "before": str(files[0]),
        "after": str(files[1]),
        "models": [_named(evaluation, "model") for evaluation in evaluations],
        "judges": [_named(evaluation, "judge") for evaluation in evaluations],
        "passed": outcome.passed,
        "verdict": outcome.verdict,
        "settings_known": outcome.settings_known,
        "warnings": list(outcome.warnings),
        "measures": {name: _measure(compared) for name, compared in outcome.measures.items()},
        "conditions": [
            {
                "condition": finding.condition,
                "passed": finding.passed,
                "numbers": finding.numbers,
                "prompts": list(finding.prompts),
                "num_prompts": finding.num_prompts,
                "by_interval": finding.by_interval,
                "cannot_fail": finding.cannot_fail,
                "only_p_passed": finding.only_p_passed,
            }
            for finding in outcome.findings
        ],
    }


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
    }


def _reading(reading: Reading | None) -> dict[str, Any] | float | None:
    return rate_json(reading) if isinstance(reading, Rate) else reading
