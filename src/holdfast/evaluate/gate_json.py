"""Writes a gate as plain JSON, for scripts: the decision, every condition and every measure, without any prompt.

The names are those of `holdfast compare --json`, which also has what its reports show.
"""

from dataclasses import asdict
from typing import TYPE_CHECKING

from holdfast.evaluate.compared import Compared
from holdfast.evaluate.finding import Finding
from holdfast.json_files import JsonObject, JsonValue
from holdfast.made_by import model_fingerprint
from holdfast.outcomes import Rate

if TYPE_CHECKING:
    from holdfast.evaluate.gate import Gate


def gate_json(gate: "Gate") -> JsonObject:
    """Converts a gate to plain JSON."""
    return {
        "before": gate.sides[0].file,
        "after": gate.sides[1].file,
        "models": [side.model for side in gate.sides],
        "fingerprints": [model_fingerprint(side.made_by) for side in gate.sides],
        "compared_at": gate.compared_at,
        "passed": gate.passed if gate.findings else None,
        "verdict": gate.verdict,
        "exit_code": gate.exit_code,
        "undecided": gate.undecided,
        "settings_known": gate.settings_known,
        "warnings": list(gate.warnings),
        "conditions": [_condition(finding) for finding in gate.findings],
        "measures": {name: _measure(measure) for name, measure in gate.measures.items()},
    }


def _condition(finding: Finding) -> JsonObject:
    return {
        "condition": finding.condition,
        "measure": finding.weighed.measure.name,
        "outcome": finding.outcome,
        "passed": finding.passed,
        "bounds": asdict(finding.bounds) if finding.bounds else None,
        "p_fails": finding.p_fails,
        "p_passes": finding.p_passes,
        "why_undecided": finding.why_undecided,
        "cannot_fail": finding.cannot_fail,
        "num_worse": finding.num_worse,
        "num_better": finding.num_better,
    }


def _measure(measure: Compared) -> JsonObject:
    return {
        "before": _reading(measure.before),
        "after": _reading(measure.after),
        "difference": measure.difference,
        "change": asdict(measure.change) if measure.change else None,
        "p_value": measure.p_value,
        "corrected_p": measure.corrected_p,
        "lost": measure.lost.count if measure.lost else 0,
    }


def _reading(reading: Rate | float | None) -> JsonValue:
    return asdict(reading) if isinstance(reading, Rate) else reading
