"""Writes a gate as text: first the verdict and the exit code, then each condition, each measure and each warning."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from holdfast.evaluate.looked_up import numbers_of
from holdfast.printable import printable
from holdfast.spelling import capitalize_first, quoted

if TYPE_CHECKING:
    from holdfast.evaluate.gate import Gate

NOTHING_GATED = 'Nothing is gated, because no condition was given. Give fail_if, such as ["refusal < before - 0.05"].'


def gate_text(gate: "Gate") -> str:
    """Writes a gate in lines that are safe to print."""
    verdict = f"{capitalize_first(gate.verdict)} (exit code {gate.exit_code})." if gate.verdict else NOTHING_GATED
    conditions = (printable(one.line) for one in gate.findings)
    return "\n".join([printable(verdict), *conditions, *_measures(gate), *(f"warning: {one}" for one in gate.warnings)])


def _measures(gate: "Gate") -> Iterator[str]:
    """Yields a line for each measure that changed, and one for all others."""
    for measure in gate.measures.values():
        if not measure.is_unchanged:
            yield printable(numbers_of(measure))
    if same := [name for name, one in gate.measures.items() if one.is_unchanged]:
        yield printable(f"unchanged on every prompt: {', '.join(map(quoted, same))}")
