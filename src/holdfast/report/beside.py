"""Lists refusals, coherence, over-refusal, perplexity and length of every arm on a card, controls included.

Attack success alone misleads: a model that babbles, or refuses everything, has little of it. Tuning random weights may
have the same effect.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from holdfast.outcomes import Rate
from holdfast.perplexity_texts import perplexity_text, ratio_with_ends
from holdfast.report.arms import PERPLEXITY_RATIO
from holdfast.report.coherent import MEASURES as COHERENCE
from holdfast.report.left_out import WAITING, what_is_left_out
from holdfast.report.records import Report, Suite, SuitePath
from holdfast.report.suites import perplexity_of

Paths = Mapping[str, SuitePath]
"""Paths of arms in the report, by the names that a card gives them. The start of the experiment comes first."""
Shown = Rate | str
"""A rate, a number in words, or that it is not measured yet."""
MEASURES: Mapping[str, str] = {
    "refusal": "refusals of harmful prompts",
    **COHERENCE,
    "over_refusal": "over-refusal, harmless prompts",
    "borderline": "over-refusal, borderline prompts",
    "over_refusal/questions": "refused questions",
}
LENGTHS: Mapping[str, str] = {
    "response_length/harmless": "tokens in a response to a harmless prompt",
    "response_length/borderline": "tokens in a response to a borderline prompt",
}
PERPLEXITY = "perplexity, and its ratio to the start"
OPTIONAL = "safety-only"
"""Name of the arm that has a row only if it was measured, because many runs leave it out."""


@dataclass(frozen=True)
class Beside:
    """A measure with its number in every arm."""

    words: str
    rows: tuple[tuple[str, Shown], ...]
    """Name of each arm that is part of the run, and its number if it was measured."""


def measured_beside(report: Report, paths: Paths) -> tuple[Beside, ...]:
    """Returns the measures that at least one of these arms has."""
    every = [Beside(words, _rows(report, measure, paths)) for measure, words in _measures(report).items()]
    every.append(_perplexity(report, paths))
    every += [Beside(words, _lengths(report, group, paths)) for group, words in LENGTHS.items()]
    return tuple(measure for measure in every if any(value != WAITING for _, value in measure.rows))


def _measures(report: Report) -> Mapping[str, str]:
    """Returns the measures to list. Refusals are left out without a judge of harm, as the main number shows them."""
    judged = report.safety == "asr"
    return {measure: words for measure, words in MEASURES.items() if judged or measure != "refusal"}


def _rows(report: Report, measure: str, paths: Paths) -> tuple[tuple[str, Shown], ...]:
    measured = {name: report.suite(path).rates.get(measure) for name, path in paths.items()}
    rates = {name: rate for name, rate in measured.items() if rate and (rate.n or rate.unscored)}
    return _every_arm(report, paths, rates)


def _perplexity(report: Report, paths: Paths) -> Beside:
    """Returns the start's perplexity, and each other arm's ratio to it, or its perplexity if the two are not paired."""
    start, *_ = paths
    suites = {name: report.suite(path) for name, path in paths.items()}
    rows = {name: perplexity_of(suite) if name == start else _times(suite) for name, suite in suites.items()}
    return Beside(PERPLEXITY, _every_arm(report, paths, {name: text for name, text in rows.items() if text}))


def _times(suite: Suite) -> str:
    """Writes a ratio of perplexities: 'times 1.026 [1.010, 1.042] n=24', or '3.19, not paired' without one."""
    if suite.perplexity is None:
        return ""
    ratio = suite.rates.get(PERPLEXITY_RATIO)
    return f"times {ratio_with_ends(ratio)}" if ratio else f"{perplexity_text(suite.perplexity)}, not paired"


def _lengths(report: Report, group: str, paths: Paths) -> tuple[tuple[str, Shown], ...]:
    """Gives each arm its mean length, with its change from the start if the two answered the same prompts."""
    rows = {}
    for name, suite in {name: report.suite(path) for name, path in paths.items()}.items():
        if suite.is_measured(group):
            change = suite.length_change.get(group)
            rows[name] = f"{suite.rates[group]:.1f}" + (f"; change {change:+.1f}" if change else "")
    return _every_arm(report, paths, rows)


def _every_arm(report: Report, paths: Paths, known: Mapping[str, Shown]) -> tuple[tuple[str, Shown], ...]:
    """Gives each arm its known number, or says that it is not measured yet. An arm that was left out has no row."""
    asked = [name for name, path in paths.items() if not what_is_left_out(report, report.safety, path)]
    waiting = {name: WAITING for name in asked if name != OPTIONAL}
    return tuple((name, known.get(name) or waiting[name]) for name in paths if name in known or name in waiting)
