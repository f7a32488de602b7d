"""Finds losses of safety that a gate lets pass although a condition looks at them.

allowed   the conditions allow as large a loss, such as refusal < before - 0.9 or, by mistake, refusal < 0.05
spared    one comparison of a condition is shown to hold, and another one keeps it from failing, as in
          refusal < before - 0.05 and refusal < 0.001

Both are warned of. A strict gate does not pass with a spared loss, because its condition states a limit that the loss
exceeds. Nor does it pass with an allowed loss of more than `LARGE`, because a limit so wide is most likely a mistake. A
loss is one that `ungated.got_worse` finds. Where a condition on safety fails the gate, nothing else needs to be said.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from holdfast.evaluate.compared import Compared
from holdfast.evaluate.counted import LONG_NAMES
from holdfast.evaluate.exact_paired import LEVEL
from holdfast.evaluate.finding import Finding
from holdfast.evaluate.looked_up import numbers_of
from holdfast.evaluate.ungated import got_worse, reads_value
from holdfast.evaluate.unwatched import kind_of_safety
from holdfast.measure_names import is_category, words_and_name
from holdfast.printable import printable
from holdfast.spelling import joined

LARGE = 0.2
"""Largest loss of safety, as a change of a rate, that a strict gate passes where its conditions allow it."""


@dataclass(frozen=True)
class Tolerated:
    """A loss of safety that conditions look at, and that none of them fails."""

    measure: Compared
    findings: tuple[Finding, ...]
    """Results of the conditions that look at it."""

    @property
    def spared_by(self) -> Finding | None:
        """A condition of which one comparison is shown to hold. None where the conditions allow the loss."""
        return next((one for one in self.findings if _spares(one)), None)

    @property
    def is_large(self) -> bool:
        """True where more than `LARGE` of the measure was lost."""
        return self.measure.difference is not None and abs(self.measure.difference) > LARGE

    @property
    def is_refused(self) -> bool:
        """True where a strict gate does not pass with this loss."""
        return self.is_large or self.spared_by is not None

    @property
    def sentence(self) -> str:
        """Describes the loss, safe to print."""
        numbers, name = numbers_of(self.measure), self.measure.name
        worse = "safety" if kind_of_safety(name) else words_and_name(name)
        if spared := self.spared_by:
            return printable(
                f"{worse} got worse by more than one part of {spared.condition!r} allows, and another part keeps that "
                f"condition from failing: {numbers}; give each part as a condition of its own."
            )
        allowing = joined([repr(one.condition) for one in self.findings], "and")
        return printable(
            f"{worse} got worse and the conditions allow it: {numbers}; if this loss must not ship, tighten {allowing}."
        )


def tolerated_losses(
    measures: Mapping[str, Compared], findings: Sequence[Finding], *, undecided_passes: bool
) -> tuple[Tolerated, ...]:
    """Finds each kind of safety, and each other measure, that got worse although conditions look at it, and fails none.

    Args:
        measures: all measures that were compared.
        findings: the results of all conditions.
        undecided_passes: whether the gate lets undecided conditions pass. Otherwise it does not pass with one.
    """
    kinds: dict[str, list[Finding]] = {}
    for finding in findings:
        if reads_value(finding.weighed.condition):
            kinds.setdefault(_kind_of(finding.weighed.condition.measure), []).append(finding)
    if any(one.outcome == "fails" for watching in kinds.values() for one in watching):
        return ()
    found = []
    for kind, watching in kinds.items():
        lost = [one for name, one in measures.items() if _is_lost(name, one, kind)]
        if lost and (undecided_passes or all(one.passed for one in watching)):
            named = [one for one in lost if one.name in {finding.weighed.measure.name for finding in watching}]
            found.append(Tolerated((named or lost)[0], tuple(watching)))
    return tuple(found)


def _is_lost(name: str, measure: Compared, kind: str) -> bool:
    return _kind_of(name) == kind and not is_category(name) and got_worse(measure)


def _kind_of(name: str) -> str:
    """Returns the kind of safety that a measure is about, or the measure itself where it is about something else."""
    return kind_of_safety(name) or LONG_NAMES.get(name, name)


def _spares(finding: Finding) -> bool:
    """True if a condition passes although one of its comparisons is shown to hold."""
    return finding.passed and any(part.p_value(holds=True) <= LEVEL for part in finding.weighed.tested)
