"""The error of a gate that did not pass: first the condition and the change, then a line for each further fact."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.errors import GateError, InvalidGateError, UndecidedError
from holdfast.evaluate.undecided import WAYS
from holdfast.printable import printable
from holdfast.spelling import capitalize_first

if TYPE_CHECKING:
    from holdfast.evaluate.gate import Gate


@dataclass(frozen=True)
class Ways:
    """Words for the settings that an error of a gate names."""

    accept: str = "undecided='warn'"
    """Setting that lets an undecided condition pass."""
    lenient: str = "strict=False"
    """Setting without which nothing needs to be decided."""
    quote: str = "`.refuse_failed(prompts=3)`"
    """What quotes prompts in the error."""


def require_passed(gate: "Gate", prompts: int, ways: Ways = Ways()) -> None:
    """Raises an error unless the gate passed.

    Args:
        gate: the gate.
        prompts: number of changed prompts that the error quotes, for each condition that is met.
        ways: words for settings.

    Raises:
        GateError: a condition is met.
        UndecidedError: no condition is met, and the prompts cannot decide one.
        InvalidGateError: the gate decides nothing, or it is strict and incomplete.
    """
    if not gate.findings:
        raise InvalidGateError('nothing is gated without a condition; give one, such as "refusal < before - 0.05".')
    if gate.met:
        raise GateError(_sentence_of_met(gate, prompts, ways))
    if gate.decides_too_little:
        idle = [one for one in gate.findings if one.cannot_fail]
        reasons = "; ".join(f"{one.condition!r} cannot fail: {one.cannot_fail}" for one in idle)
        raise InvalidGateError(printable(f"{gate.verdict}: {reasons}; give a condition that could fail."))
    if gate.overlooks_loss:
        losses = " ".join(map(capitalize_first, gate.overlooked))
        raise InvalidGateError(f"a strict gate does not pass this. {losses}")
    if not gate.passed:
        raise UndecidedError(_sentence_of_undecided(gate, ways))


def _sentence_of_met(gate: "Gate", prompts: int, ways: Ways) -> str:
    sides = gate.sides
    answers = sides[1].file if sides[1].program is None else None
    blocks = [[one.headline, *one.details(answers, prompts, ways.quote)] for one in gate.met]
    still_open = gate.open_conditions if gate.undecided == "fail" else []
    blocks += [[f"undecided: {one.headline}", *one.details()] for one in still_open]
    return _lined(gate, "the gate failed", blocks)


def _sentence_of_undecided(gate: "Gate", ways: Ways) -> str:
    """Says of each undecided condition what would decide it, and how to accept that it stays open."""
    remedies = sorted({way for one in gate.open_conditions for way in one.remedies}, key=WAYS.index)
    accept = ways.accept if gate.undecided == "fail" else ways.lenient
    remedy = "".join(f"{way}, " for way in remedies) + f"or accept it with {accept}."
    blocks = [[one.headline, *one.details()] for one in gate.open_conditions]
    return _lined(gate, "the gate cannot decide", blocks, f"{remedy[0].upper()}{remedy[1:]}")


def _lined(gate: "Gate", opening: str, blocks: Sequence[Sequence[str]], remedy: str = "") -> str:
    """Writes the blocks of one condition or several, with the verdict where there are several conditions."""
    if len(blocks) == 1:
        (headline, *details), count = blocks[0], f"Verdict: {gate.verdict}."
        lines = [f"{opening}: {headline}.", *([f"  {count}"] if len(gate.findings) > 1 else [])]
    else:
        lines, details = [f"{gate.verdict}."], []
        for headline, *more in blocks:
            lines += [f"- {headline}.", *(f"  {line}" for line in more)]
    return "\n".join([*lines, *(f"  {line}" for line in details), *([f"  {remedy}"] if remedy else [])])
