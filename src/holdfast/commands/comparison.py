"""Makes the record of a comparison from a gate, and from the evaluations or logs that it compared."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from holdfast.evaluate.compared import Compared
from holdfast.evaluate.finding import Finding
from holdfast.evaluate.gate import Gate
from holdfast.evaluate.logs.comparing import LogGate
from holdfast.evaluate.logs.log import Log
from holdfast.evaluate.paired import PairedPrompt
from holdfast.evaluate.paired_mean import PairedMean
from holdfast.evaluate.scale import counted_word
from holdfast.evaluate.statistics import PairedCounts
from holdfast.evaluate.token_losses import PerplexityRatio
from holdfast.evaluation_settings import settings_words
from holdfast.made_by import model_fingerprint
from holdfast.outcomes import Evaluation
from holdfast.report.comparison import (
    ChangedPrompt,
    CheckedCondition,
    ComparedMeasure,
    Comparison,
    ConditionBounds,
    MatchedLogs,
    PairedEstimate,
    Sides,
)
from holdfast.report.gate_markdown import SHOWN
from holdfast.report.records import Pair
from holdfast.values import Meta

Files = tuple[Path, Path]


def comparison_of_evaluations(files: Files, evaluations: tuple[Evaluation, Evaluation], gate: Gate) -> Comparison:
    """Makes the record of two evaluations."""
    first, second = (evaluation.made_by for evaluation in evaluations)
    return replace(
        _of_gate(files, (_named(first, "model"), _named(second, "model")), gate),
        fingerprints=(model_fingerprint(first), model_fingerprint(second)),
        versions=(cast(str | None, first.get("holdfast")), cast(str | None, second.get("holdfast"))),
        judges=(_named(first, "judge"), _named(second, "judge")),
        settings=settings_words(second) if gate.settings_known else {},
    )


def comparison_of_logs(files: Files, logs: tuple[Log, Log], found: LogGate) -> Comparison:
    """Makes the record of two logs of another program."""
    matched, (first, second) = found.matched, logs
    counts = (len(matched.pairs), matched.only_before, matched.only_after)
    return replace(
        _of_gate(files, (first.model, second.model), found.gate),
        logs=MatchedLogs(first.program, str(matched), *counts),
    )


def _of_gate(files: Files, models: Sides, gate: Gate) -> Comparison:
    return Comparison(
        before=str(files[0]),
        after=str(files[1]),
        compared_at=datetime.now(UTC).isoformat(timespec="seconds"),
        models=models,
        passed=gate.passed if gate.findings else None,
        verdict=gate.verdict,
        undecided=gate.undecided,
        settings_known=gate.settings_known,
        warnings=gate.warnings,
        unwatched=gate.unwatched,
        exit_code=gate.exit_code,
        measures={name: _measure(compared) for name, compared in gate.measures.items()},
        conditions=tuple(_condition(finding) for finding in gate.findings),
    )


def _named(made_by: Meta, what: str) -> str | None:
    """Returns the name of an evaluation's model or judge. None if its file has no such name, or no judge was used."""
    entry = made_by.get(what)
    return str(entry["name"]) if isinstance(entry, Mapping) and "name" in entry else None


def _measure(compared: Compared) -> ComparedMeasure:
    return ComparedMeasure(
        before=compared.before,
        after=compared.after,
        difference=compared.difference,
        change=compared.change,
        paired=_pair(compared.paired),
        corrected_p=compared.corrected_p,
        ratio=_tested(compared.ratio),
        lengths=_tested(compared.lengths),
        mean=_tested(compared.mean),
        lost=compared.lost.count if compared.lost else 0,
    )


def _pair(counts: PairedCounts | None) -> Pair | None:
    return counts and Pair(counts.n, counts.only_before, counts.only_after, counts.difference, counts.p_value)


def _tested(test: PerplexityRatio | PairedMean | None) -> PairedEstimate | None:
    return test and PairedEstimate(test.value, test.low, test.high, test.n, test.p_value)


def _condition(finding: Finding) -> CheckedCondition:
    word, changed = counted_word(finding.weighed.measure.name), finding.changed
    return CheckedCondition(
        condition=finding.condition,
        outcome=finding.outcome,
        passed=finding.passed,
        numbers=finding.numbers,
        prompts=finding.prompts,
        changed=tuple(_changed(pair, word) for pair in changed[:SHOWN]),
        num_prompts=len(changed),
        bounds=ConditionBounds(**asdict(finding.bounds)) if finding.bounds else None,
        p_fails=finding.p_fails,
        p_passes=finding.p_passes,
        why_undecided=finding.why_undecided,
        cannot_fail=finding.cannot_fail,
    )


def _changed(pair: PairedPrompt, word: str) -> ChangedPrompt:
    """Describes a prompt whose outcome changed, with both responses."""
    before, after = (word if counts else f"not {word}".replace("not not ", "") for counts in (pair.before, pair.after))
    return ChangedPrompt(pair.prompt, before, after, pair.responses)
