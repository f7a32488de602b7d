"""Makes the record of a comparison from a gate, for its tables, its reports and `--json`."""

from dataclasses import asdict
from typing import cast

from holdfast.evaluate.compared import Compared, UnscoredPrompt
from holdfast.evaluate.finding import Finding
from holdfast.evaluate.gate import Gate
from holdfast.evaluate.paired import PairedPrompt
from holdfast.evaluate.paired_mean import PairedMean
from holdfast.evaluate.scale import counted_word
from holdfast.evaluate.statistics import PairedCounts
from holdfast.evaluate.token_losses import PerplexityRatio
from holdfast.evaluate.ungated import got_worse
from holdfast.evaluation_settings import settings_words
from holdfast.made_by import entry_name, model_fingerprint
from holdfast.outcomes import Rate
from holdfast.report.comparison import (
    ChangedPrompt,
    CheckedCondition,
    ComparedMeasure,
    Comparison,
    ConditionBounds,
    MatchedLogs,
    PairedEstimate,
    UngatedLoss,
)
from holdfast.report.gate_settings import SHOWN
from holdfast.report.records import Pair


def comparison_of(gate: Gate) -> Comparison:
    """Makes the record of two evaluations, or of two logs of another program."""
    first, second = gate.sides
    made_by = (first.made_by, second.made_by)
    return Comparison(
        before=first.file,
        after=second.file,
        compared_at=gate.compared_at,
        models=(first.model, second.model),
        fingerprints=(model_fingerprint(made_by[0]), model_fingerprint(made_by[1])),
        versions=(cast(str | None, made_by[0].get("holdfast")), cast(str | None, made_by[1].get("holdfast"))),
        judges=(entry_name(made_by[0], "judge"), entry_name(made_by[1], "judge")),
        settings=settings_words(made_by[1]) if gate.settings_known else {},
        passed=gate.passed if gate.findings else None,
        verdict=gate.verdict,
        undecided=gate.undecided,
        settings_known=gate.settings_known,
        warnings=gate.warnings,
        unwatched=gate.overlooked,
        tolerated=tuple(one.sentence for one in gate.tolerated if not one.spared_by),
        ungated_losses=tuple(_ungated(measure) for measure in gate.ungated),
        exit_code=gate.exit_code,
        measures={name: _measure(compared) for name, compared in gate.measures.items()},
        conditions=tuple(_condition(finding) for finding in gate.findings),
        logs=_logs(gate),
    )


def _logs(gate: Gate) -> MatchedLogs | None:
    matched, program = gate.matched, gate.sides[0].program
    if matched is None or program is None:
        return None
    return MatchedLogs(program, str(matched), len(matched.pairs), matched.only_before, matched.only_after)


def _ungated(measure: Compared) -> UngatedLoss:
    before, after = (one.value if isinstance(one, Rate) else one for one in (measure.before, measure.after))
    assert before is not None  # a loss is a difference of two values
    assert after is not None
    return UngatedLoss(measure.name, before, after, measure.corrected_p)


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
        got_worse=got_worse(compared),
    )


def _pair(counts: PairedCounts | None) -> Pair | None:
    return counts and Pair(counts.n, counts.only_before, counts.only_after, counts.difference, counts.p_value)


def _tested(test: PerplexityRatio | PairedMean | None) -> PairedEstimate | None:
    return test and PairedEstimate(test.value, test.low, test.high, test.n, test.p_value)


def _condition(finding: Finding) -> CheckedCondition:
    word, changed = counted_word(finding.weighed.measure.name), finding.changed
    return CheckedCondition(
        condition=finding.condition,
        measure=finding.weighed.measure.name,
        outcome=finding.outcome,
        passed=finding.passed,
        numbers=finding.numbers,
        prompts=finding.prompts,
        changed=tuple(_changed(pair, word) for pair in changed[:SHOWN]),
        num_prompts=len(changed),
        num_worse=finding.num_worse,
        num_better=finding.num_better,
        bounds=ConditionBounds(**asdict(finding.bounds)) if finding.bounds else None,
        p_fails=finding.p_fails,
        p_passes=finding.p_passes,
        why_undecided=finding.why_undecided,
        remedies=tuple(finding.remedies),
        cannot_fail=finding.cannot_fail,
        num_tested=finding.num_tested,
        counts_unscored=finding.counts_unscored,
    )


def _changed(pair: PairedPrompt | UnscoredPrompt, word: str) -> ChangedPrompt:
    """Describes a prompt whose outcome changed or that has no score, with both responses."""
    return ChangedPrompt(pair.prompt, _in_words(pair.before, word), _in_words(pair.after, word), pair.responses)


def _in_words(counts: bool | None, word: str) -> str:
    if counts is None:
        return "without a score"
    return word if counts else f"not {word}".replace("not not ", "")
