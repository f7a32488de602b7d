"""The first screen of the page: the answer in a sentence, and one card a stage, written from the numbers."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from holdfast.differences import Difference, rate_difference
from holdfast.report.left_out import LEFT_OUT, WAITING, stages_left_out, what_is_left_out
from holdfast.report.noise_claims import quoted_noise
from holdfast.report.repeats import repeats_of
from holdfast.report.safety import safety_measure
from holdfast.report.schema import rate_from
from holdfast.report.suites import rate_of, suite_at
from holdfast.report.tuning_claims import (
    AFTER,
    BEFORE,
    HELD,
    HELD_RANDOM,
    PLAIN,
    START,
    TUNED_RANDOM,
    Path,
    arm_difference,
)
from holdfast.report.verdicts import tally, verdicts_of
from holdfast.values import Rate

Report = Mapping[str, Any]
Shown = Rate | str
"""A rate; or why there is none."""
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
class Card:
    """A stage at a glance: safety under the control and under what was done, and how they differ."""

    stage: str
    title: str
    large: tuple[tuple[str, Shown], tuple[str, Shown]]
    """The two numbers to compare, by name."""
    beside: tuple[tuple[str, Shown], ...]
    """Other arms, by name."""
    differences: tuple[tuple[str, Difference], ...]
    """What was done less its controls, by name."""
    repeats: str | None
    """What near duplicates mean for these rates."""
    holding: int
    measured: int

    @property
    def complete(self) -> bool:
        """Whether both large numbers are there."""
        return all(isinstance(rate, Rate) for _, rate in self.large)

    @property
    def waiting(self) -> str:
        """Why it is not complete."""
        return LEFT_OUT if LEFT_OUT in (rate for _, rate in self.large) else WAITING


def answer(report: Report) -> str:
    """How many of the claims hold on this model, which do not, and how many cannot be told, each reason apart."""
    verdicts = verdicts_of(report)
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


def cards(report: Report) -> list[Card]:
    """One a stage of the run, in the order of the page."""
    made = {"verify": _noise_card, "enhance": _tuned_card, "adapt": _held_card}
    absent = stages_left_out(report)
    return [make(report) for stage, make in made.items() if stage not in absent]


def _noise_card(report: Report) -> Card:
    verify = report.get("verify") or {}
    at = quoted_noise(verify) or 0
    ratio = dict(enumerate(verify.get("noise_ratio", ()))).get(at)
    top, random = _noisy(verify, "top", at), _noisy(verify, "random", at)
    useful = _noisy(verify.get("utility") or {}, "top", at)
    named = "with noise" if ratio is None else f"noise {ratio:g} on them"
    start = _rate(verify.get("baseline"))
    return _card(
        report,
        "verify",
        (("untouched", start), (named, top)),
        (("noise on random", random), ("utility with noise", useful)),
        {"less untouched": _less(start, top), "less random": _less(random, top)},
    )


def _tuned_card(report: Report) -> Card:
    before, after, random = (_safety(report, path) for path in (BEFORE, AFTER, TUNED_RANDOM))
    return _card(
        report,
        "enhance",
        (("before", before), ("after", after)),
        (("tuning random", random),),
        {
            "after less before": _change(report, BEFORE, AFTER),
            "after less random": _change(report, TUNED_RANDOM, AFTER),
        },
    )


def _held_card(report: Report) -> Card:
    start, plain, held, random = (_safety(report, path) for path in (START, PLAIN, HELD, HELD_RANDOM))
    compared, other = ("plain tuning", plain), ("start", start)
    if not isinstance(plain, Rate) and isinstance(start, Rate):  # without plain tuning, the start is what is left
        compared, other = other, compared
    return _card(
        report,
        "adapt",
        (compared, ("held fast", held)),
        (other, ("random held", random)),
        {
            "held less plain": _change(report, PLAIN, HELD),
            "held less random": _change(report, HELD_RANDOM, HELD),
            "held less start": _change(report, START, HELD),
        },
    )


def _card(
    report: Report,
    stage: str,
    large: tuple[tuple[str, Shown], tuple[str, Shown]],
    beside: tuple[tuple[str, Shown], ...],
    differences: Mapping[str, Difference | None],
) -> Card:
    known = tuple((name, found) for name, found in differences.items() if found is not None)
    claims = tally([one for one in verdicts_of(report) if one.stage == stage])
    return Card(stage, STAGES[stage], large, beside, known, repeats_of(report, safety_measure(report)), *claims)


def _noisy(rates: Report, arm: str, position: int) -> Shown:
    return _rate(dict(enumerate(rates.get(arm, ()))).get(position))


def _less(before: Shown, after: Shown) -> Difference | None:
    return rate_difference(before, after) if isinstance(before, Rate) and isinstance(after, Rate) else None


def _change(report: Report, before: Path, after: Path) -> Difference | None:
    return arm_difference(report, safety_measure(report), before, after)


def _safety(report: Report, path: Path) -> Shown:
    measure = safety_measure(report)
    rate = rate_of(suite_at(report, path), measure)
    if rate is not None and rate.value is not None:
        return rate
    return LEFT_OUT if what_is_left_out(report, measure, path) else WAITING


def _rate(record: Report | None) -> Shown:
    rate = rate_from(record) if record else None
    return rate if rate and rate.value is not None else WAITING


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
