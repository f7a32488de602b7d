"""Writes the first screen of the page from the numbers: the answer in a sentence, and one card per stage."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from holdfast.counts import counted
from holdfast.differences import Difference, rate_difference
from holdfast.outcomes import Rate
from holdfast.report.beside import Beside, measured_beside
from holdfast.report.coherent import coherence_beside
from holdfast.report.left_out import LEFT_OUT, WAITING, what_is_left_out
from holdfast.report.noise_claims import draws_words, quoted_noise
from holdfast.report.records import Noise, Report, SuitePath, measured
from holdfast.report.repeats import repeats_of
from holdfast.report.tuning_claims import (
    AFTER,
    BEFORE,
    HELD,
    HELD_RANDOM,
    PLAIN,
    START,
    TUNED_RANDOM,
    TUNED_SAFETY_ONLY,
    arm_difference,
)
from holdfast.report.verdicts import tally, verdicts_of

Shown = Rate | str
"""A rate, or the reason why there is none."""
STAGES = {
    "verify": "Noise on the selected weights",
    "enhance": "Training only the selected weights (SET)",
    "adapt": "Holding the selected weights (SPA)",
}

UNFINISHED = "This run is not complete: it stopped, it failed, or it still goes on."
LISTED = 8
"""Number of missing pieces that are named. Further ones are counted."""


@dataclass(frozen=True)
class Card:
    """Summary of a stage: safety of the control and of the treated model, and their difference."""

    stage: str
    title: str
    large: tuple[tuple[str, Shown], tuple[str, Shown]]
    """Names and values of the two numbers to compare."""
    beside: tuple[tuple[str, Shown], ...]
    """Names and values of other arms, without those that the config leaves out."""
    coherence: str
    """Coherent refusals and coherent answers of the two, to read with the large numbers. Empty if not measured."""
    measures: tuple[Beside, ...]
    """Refusals, coherence, over-refusal and perplexity of the same arms, as far as they were measured."""
    differences: tuple[tuple[str, Difference], ...]
    """Differences between the treated model and its controls, by name."""
    repeats: str | None
    """Sentence on near duplicates among the prompts of these rates."""
    claims: str
    """Counts of its claims by verdict: '1 claim holds, 2 are inconclusive'."""
    sizes: str
    """Strength and draws of the noise. Empty in other stages, and while it is not measured."""

    @property
    def complete(self) -> bool:
        """Tells whether both numbers to compare were measured."""
        return all(isinstance(rate, Rate) for _, rate in self.large)

    @property
    def waiting(self) -> str:
        """Reason why the card is not complete."""
        return LEFT_OUT if LEFT_OUT in (rate for _, rate in self.large) else WAITING


def answer(report: Report) -> str:
    """Writes how many claims hold on this model, which do not hold, and how many have no answer, by reason."""
    verdicts = verdicts_of(report)
    holding, measured = tally(verdicts)
    if not measured:
        return "No claim is tested yet. This page grows while the run goes on."
    counts = Counter(verdict.answer for verdict in verdicts)
    failing = [f"“{verdict.claim}”" for verdict in verdicts if verdict.answer == "does not hold"]
    parts = [f"{holding or 'none'} {_verb(holding, 'holds', 'hold')}"]
    parts += [f"{len(failing)} {_verb(len(failing), 'does', 'do')} not"] if failing else []
    parts += [f"{unsure} {_verb(unsure, 'is', 'are')} inconclusive"] if (unsure := counts["inconclusive"]) else []
    exceptions = f" What does not hold: {'; '.join(failing)}." if failing else ""
    return (
        f"Of {measured} {_verb(measured, 'claim', 'claims')} tested, {_listed(parts)}.{exceptions}{_untested(counts)}"
    )


def _untested(counts: Mapping[str, int]) -> str:
    """Writes a sentence for each reason why claims were not tested."""
    left_out, waiting = counts[LEFT_OUT], counts[WAITING]
    sentences = f" {left_out} more {_verb(left_out, 'was', 'were')} left out by the config." if left_out else ""
    return sentences + (f" {waiting} more {_verb(waiting, 'is', 'are')} not measured yet." if waiting else "")


def _listed(parts: Sequence[str]) -> str:
    """Joins parts into a list: '6 hold, 1 does not and 3 are inconclusive'."""
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))


def gaps(report: Report) -> str | None:
    """Names the missing pieces of the run, and the command that makes them. None if the run is complete."""
    missing = report.missing
    if not missing:
        return None
    listed = ", ".join(missing[:LISTED]) + (f" and {len(missing) - LISTED} more" if len(missing) > LISTED else "")
    command = f"`{report.goes_on}`" if report.goes_on else "The command that started the run"
    return f"{UNFINISHED} Missing: {listed}. {command} makes the missing pieces."


def cards(report: Report) -> list[Card]:
    """Makes one card per stage of the run, in the order of the page."""
    made = {"verify": _noise_card, "enhance": _tuned_card, "adapt": _held_card}
    return [make(report) for stage, make in made.items() if stage not in report.config.stages_left_out]


def _noise_card(report: Report) -> Card:
    verify = report.verify
    at = quoted_noise(verify, report.safety) or 0
    top, random = (verify.safety.at(arm, at) or WAITING for arm in ("top", "random"))
    useful = verify.utility.at("top", at) or WAITING
    coherent = verify.rates("coherence").at("top", at)
    named = f"noise {verify.noise_ratio[at]:g} on them" if at < len(verify.noise_ratio) else "with noise"
    start = measured(verify.safety.baseline) or WAITING
    return _card(
        report,
        "verify",
        (("untouched", start), (named, top)),
        (("noise on random", random), ("utility with noise", useful)),
        f"coherent answers to harmful prompts with noise: {_drawn(verify, coherent)}" if coherent else "",
        {"minus untouched": _less(start, top), "minus random": _less(random, top)},
        sizes=_noise_sizes(verify, at, top) if isinstance(top, Rate) else "",
    )


def _noise_sizes(verify: Noise, at: int, top: Rate) -> str:
    """Writes the strength of the noise behind the bars, and its draws and prompts."""
    of_matrix = "standard deviations of each weight's matrix"
    strength = [f"{ratio:g} {of_matrix}" for ratio in verify.noise_ratio[at : at + 1]]
    words = [*strength, *filter(None, [draws_words(verify, top)])]
    several = " A rate is the mean of the draws." if verify.draws and verify.draws > 1 else ""
    return f"The noise: {', '.join(words)}.{several}" if words else ""


def _drawn(verify: Noise, rate: Rate) -> str:
    """Writes a rate under noise with its interval, and the draws and prompts that it is of."""
    sizes = draws_words(verify, rate)
    return f"{str(rate).partition(' n=')[0]}, {sizes}" if sizes else str(rate)


def _tuned_card(report: Report) -> Card:
    before, after, random, safety_only = (
        _safety(report, path) for path in (BEFORE, AFTER, TUNED_RANDOM, TUNED_SAFETY_ONLY)
    )
    others = (("safety-only", safety_only),) if isinstance(safety_only, Rate) else ()
    return _card(
        report,
        "enhance",
        (("before", before), ("after", after)),
        (("tuning random", random), *others),
        coherence_beside(report, {"before training": BEFORE, "selected weights": AFTER}),
        {
            "after minus before": _change(report, BEFORE, AFTER),
            "after minus random": _change(report, TUNED_RANDOM, AFTER),
        },
        measured_beside(
            report, {"before": BEFORE, "after": AFTER, "random": TUNED_RANDOM, "safety-only": TUNED_SAFETY_ONLY}
        ),
    )


def _held_card(report: Report) -> Card:
    start, plain, held, random = (_safety(report, path) for path in (START, PLAIN, HELD, HELD_RANDOM))
    compared, other = ("plain tuning", plain), ("start", start)
    shown = {"nothing held": PLAIN, "selected weights held": HELD}
    if not isinstance(plain, Rate) and isinstance(start, Rate):  # without plain tuning the start is the only control
        compared, other, shown = other, compared, {"before fine-tuning": START, "selected weights held": HELD}
    return _card(
        report,
        "adapt",
        (compared, ("held fast", held)),
        (other, ("random held", random)),
        coherence_beside(report, shown),
        {
            "held minus plain": _change(report, PLAIN, HELD),
            "held minus random": _change(report, HELD_RANDOM, HELD),
            "held minus start": _change(report, START, HELD),
        },
        measured_beside(report, {"start": START, "plain tuning": PLAIN, "held fast": HELD, "random held": HELD_RANDOM}),
    )


def _card(
    report: Report,
    stage: str,
    large: tuple[tuple[str, Shown], tuple[str, Shown]],
    beside: tuple[tuple[str, Shown], ...],
    coherence: str,
    differences: Mapping[str, Difference | None],
    measures: tuple[Beside, ...] = (),
    sizes: str = "",
) -> Card:
    known = tuple((name, difference) for name, difference in differences.items() if difference is not None)
    counts = Counter(verdict.answer for verdict in verdicts_of(report) if verdict.stage == stage)
    repeats = repeats_of(report, report.safety)
    beside = tuple((name, shown) for name, shown in beside if shown != LEFT_OUT)
    return Card(stage, STAGES[stage], large, beside, coherence, measures, known, repeats, _counted(counts), sizes)


def _counted(counts: Mapping[str, int]) -> str:
    """Writes how many claims hold, do not hold and are inconclusive."""
    holding, failing, unsure = (counts[answer] for answer in ("holds", "does not hold", "inconclusive"))
    if not holding + failing + unsure:
        return "no claim tested yet"
    parts = [counted(holding, "claim holds", "claims hold")]
    parts += [f"{failing} {_verb(failing, 'does', 'do')} not"] if failing else []
    parts += [f"{unsure} {_verb(unsure, 'is', 'are')} inconclusive"] if unsure else []
    return ", ".join(parts)


def _less(before: Shown, after: Shown) -> Difference | None:
    return rate_difference(before, after) if isinstance(before, Rate) and isinstance(after, Rate) else None


def _change(report: Report, before: SuitePath, after: SuitePath) -> Difference | None:
    return arm_difference(report, report.safety, before, after)


def _safety(report: Report, path: SuitePath) -> Shown:
    measure = report.safety
    rate = report.suite(path).rates.get(measure)
    if rate is not None and rate.value is not None:
        return rate
    return LEFT_OUT if what_is_left_out(report, measure, path) else WAITING


def _verb(count: int, singular: str, plural: str) -> str:
    """Returns the form of a word that goes with a count. 0 takes the singular."""
    return singular if count < 2 else plural
