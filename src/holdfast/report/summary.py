"""The first screen of the page: the answer in a sentence, and one headline a stage, written from the numbers."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from holdfast.report.left_out import LEFT_OUT, WAITING, stages_left_out, what_is_left_out
from holdfast.report.safety import safety_measure
from holdfast.report.schema import rate_from
from holdfast.report.verdicts import decide, quoted_noise, tally
from holdfast.values import Rate

Report = Mapping[str, Any]
STAGES = {
    "verify": "Noise on the selected weights",
    "enhance": "Tuning only the selected weights (SET)",
    "adapt": "Holding the selected weights fast (SPA)",
}

OPEN = ("inconclusive", WAITING, LEFT_OUT)
"""The answers that are neither yes nor no, in the order in which they are counted."""
LISTED = 8
"""Missing pieces that are named; the others are counted."""


@dataclass(frozen=True)
class Headline:
    """A stage in a line: safety from where to where, and the control beside it."""

    stage: str
    title: str
    rates: tuple[tuple[str, Rate | str], ...]
    """Before, after, the control, and for noise the utility beside it, by name; or why there is none."""
    holding: int
    measured: int

    @property
    def complete(self) -> bool:
        """Whether there is a before and an after to show."""
        return all(isinstance(rate, Rate) for _, rate in self.rates[:2])

    @property
    def waiting(self) -> str:
        """Why it is not complete."""
        return LEFT_OUT if LEFT_OUT in (rate for _, rate in self.rates[:2]) else WAITING


def answer(report: Report) -> str:
    """How many of the claims hold on this model, which do not, and how many cannot be told, each reason apart."""
    verdicts = decide(report)
    holding, measured = tally(verdicts)
    if not measured:
        return "No claim is tested yet. This page grows while the run goes on."
    counts = Counter(one.answer for one in verdicts)
    open_ones = [f"{counts[word]} {_are(counts[word])} {word}" for word in OPEN if counts[word]]
    claims = "claims hold on this model" if measured == len(verdicts) else "measured claims hold"
    failing = [f"“{one.claim}”" for one in verdicts if one.answer == "does not hold"]
    do_not = f"{len(failing)} {'does' if len(failing) == 1 else 'do'} not"
    exceptions = f" {do_not}: {'; '.join(failing)}." if failing else ""
    return f"{'; '.join([f'{holding} of {measured} {claims}', *open_ones])}.{exceptions}"


def gaps(report: Report) -> str | None:
    """Which pieces of the run are not there, or None where all are."""
    missing = report.get("missing", ())
    if not missing:
        return None
    listed = ", ".join(missing[:LISTED]) + (f" and {len(missing) - LISTED} more" if len(missing) > LISTED else "")
    return f"Not all of this run is there: {listed}. `holdfast run` or `holdfast demo` goes on from what is."


def headlines(report: Report) -> list[Headline]:
    """One a stage, in the order of the page."""
    verify = report.get("verify") or {}
    quoted = quoted_noise(verify) or 0
    ratio = _at(verify, "noise_ratio", quoted)
    rates = {
        "verify": (
            ("untouched", _rate(verify.get("baseline"))),
            ("with noise" if ratio is None else f"with noise {ratio:g}", _rate(_at(verify, "top", quoted))),
            ("noise on random", _rate(_at(verify, "random", quoted))),
            ("utility with noise", _rate(_at(verify.get("utility") or {}, "top", quoted))),
        ),
        "enhance": (
            ("before", _safety(report, "enhance", "before")),
            ("after", _safety(report, "enhance", "after")),
            ("tuning random", _safety(report, "enhance", "controls", "random")),
        ),
        "adapt": (
            ("start", _safety(report, "adapt", "start")),
            ("held fast", _safety(report, "adapt", "protected")),
            ("plain tuning", _safety(report, "adapt", "plain")),
        ),
    }
    verdicts, absent = decide(report), stages_left_out(report)
    shown = {stage: title for stage, title in STAGES.items() if stage not in absent}
    return [
        Headline(stage, title, rates[stage], *tally([one for one in verdicts if one.stage == stage]))
        for stage, title in shown.items()
    ]


def _at(verify: Report, arm: str, position: int) -> Any:
    return dict(enumerate(verify.get(arm, ()))).get(position)


def _safety(report: Report, *path: str) -> Rate | str:
    found, measure = report, safety_measure(report)
    for key in path:
        found = found.get(key) or {}
    return _rate(found.get(measure), LEFT_OUT if what_is_left_out(report, measure, path) else WAITING)


def _rate(record: Report | None, otherwise: str = WAITING) -> Rate | str:
    rate = rate_from(record) if record else None
    return rate if rate and rate.value is not None else otherwise


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
